-- What the ledger has of one holder that is dead, or says nothing; begins with pool.lua. Only the dead lose their lease.
-- ARGV 1 incarnation  2 its sum  3 its sum until shortly before the pool was opened, for whom no seed is known
--      4 dead (1: every span of it was acknowledged and is rated). Reply 1 when something changed
local pool = load_pool()
if not pool then return 0 end
local name, sum, is_dead = ARGV[1], tonumber(ARGV[2]), ARGV[4] == '1'
pass_time(pool)
local holder = load_holder(name)
if not holder then
  -- After a loss, one that never told again: its sum was among what is not known. Any other is counted for long.
  local before = tonumber(redis.call('HGET', KEYS[4], name) or ARGV[3])
  local more = now < pool.unknown_until and sum - before or 0
  if more > 0 then
    charge(pool, more)
    pool.unknown = math.max(0, pool.unknown - more)
    redis.call('HSET', KEYS[4], name, ARGV[2])
    redis.call('PEXPIRE', KEYS[4], whole(pool.live_ms))
  end
  save_pool(pool)
  return more > 0 and 1 or 0
end
if holder.kind == LIVING and not is_dead then return 0 end
use(pool, holder, sum)
goes_by(pool, holder, holder.used)
if is_dead then
  if holder.kind == LIVING then pool.holders = pool.holders - 1 end
  holder.kind = GONE
  redis.call('ZADD', KEYS[3], whole(now + KEEP_US), name)
end
redis.call('SREM', KEYS[6], name)
save_holder(name, holder)
save_pool(pool)
return 1
