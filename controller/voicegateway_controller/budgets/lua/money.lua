-- One claim on a budget's pool; begins with pool.lua. Idempotent by (incarnation, seq), and the same seq may be heard
-- again after the ceiling was raised: it grows then, and never returns anything.
-- ARGV 1 incarnation  2 seq  3 used  4 granted  5 target  6 need  7 waiters  8 refused  9 seed, '' when nobody asked
--      10 revision  11 limit  12 stops (1: the budget stops spending)  13 leaves  14 grows (1: the window is open)
--      15 live_ms of the keys
-- Reply {state, granted, retry_ms, is_scarce, is_over, needs, ceiling, epoch}: `needs` is the ceiling that all that is
-- fair would take, 0 when it is high enough. Or {'cold', now}: not opened; {'unseeded', until}: a holder that we have
-- no record of, though it may have told before; asked again with what the ledger has of it until then, in nano-dollars.
local SCARCE_PART = 20        -- with less than 1/20 of the limit free, nobody holds more than requests need
local SHORT_US = 2000000      -- and so for a while after somebody went without
local AHEAD_PART = 1000       -- the ceiling is raised ahead of what is asked for while less than this part is left of it
local name, seq, used, granted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local target, need, revision = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[10])
local stops, leaves, grows = ARGV[12] == '1', ARGV[13] == '1', ARGV[14] == '1'

local pool = load_pool()
if not pool then return {'cold', whole(now)} end
local seed = redis.call('HGET', KEYS[4], name) or (ARGV[9] ~= '' and ARGV[9])
if not seed and used > 0 and (pool.epoch > 1 or pool.forgotten > 0) and redis.call('HEXISTS', KEYS[2], name) == 0 then
  return {'unseeded', whole(math.max(pool.opened_at - SEEDS_US, now - FORGET_US + SEEDS_US))}
end
if revision > pool.revision then pool.revision, pool.limit = revision, tonumber(ARGV[11]) end
pass_time(pool)

local holder, is_new = load_holder(name), false
if not holder then
  seed, is_new = tonumber(seed or '0'), true
  holder = {granted = seed, used = seed, seq = -1, kind = GONE}
end

local state, retry_ms, is_scarce, needs = 'ok', 0, false, 0
if seq < holder.seq then
  state = 'outdated'
else
  local is_again = seq == holder.seq
  use(pool, holder, used)
  if not is_again then
    -- A return is kept before it is told. A grant that we do not remember is a fact, and was among the unknown.
    if is_new then pool.unknown = pool.unknown - math.min(pool.unknown, math.max(0, granted - seed)) end
    local kept = stops and not leaves and math.min(granted, holder.used + AMOUNT_MAX) or 0
    goes_by(pool, holder, math.max(kept, holder.used))
  end
  local kind = leaves and GONE or LIVING
  if kind ~= holder.kind then
    if kind == LIVING then pool.holders = pool.holders + 1 end
    if holder.kind == LIVING then pool.holders = pool.holders - 1 end
    holder.kind = kind
    redis.call('SREM', KEYS[6], name)
  end

  if stops and grows and not leaves then
    local committed = pool.spent + pool.outstanding + pool.unknown
    local free = pool.limit - committed
    local must = math.max(0, need - holder.granted)
    local want = math.max(must, target - holder.granted)
    is_scarce = free * SCARCE_PART < pool.limit or now - pool.short_at < SHORT_US
    local size = must
    if not is_scarce then
      size = must + math.max(0, math.min(want - must, math.floor((free - must) / (2 * pool.holders))))
    end
    local released = committed + pool.gone
    local room = math.min(free, pool.ceiling - released)
    if size > room and free > 0 then needs = released + math.min(size, free) end
    local grant = 0
    if must <= room then
      grant = math.min(size, room)
      goes_by(pool, holder, holder.granted + grant)
    elseif must > free then
      -- All of it or nothing. What does not fit even if everybody gave everything back never will.
      local first = need - math.max(granted, holder.used)
      if pool.spent + first > pool.limit then
        state, retry_ms, needs = 'exhausted', 1000, 0
      else
        retry_ms, needs, pool.short_at, is_scarce = math.min(1000, math.max(50, 2 * pool.holders)), 0, now, true
      end
    else
      retry_ms = 50
    end
    local ahead = math.min(math.floor(pool.limit / AHEAD_PART), free - grant)
    if needs == 0 and ahead > room - grant then needs = released + grant + ahead end
    if must == 0 and want > 0 and grant == 0 then retry_ms = 500 end
    if pool.spent >= pool.limit then state, retry_ms, needs = 'exhausted', 1000, 0 end
  end
  holder.seq, holder.heard_at = seq, now
  holder.waiters, holder.refused = tonumber(ARGV[7]), tonumber(ARGV[8])
  save_holder(name, holder)
  redis.call('ZADD', KEYS[3], whole(now + KEEP_US), name)
  redis.call('HDEL', KEYS[4], name)
end
if is_new or now - pool.touched_at > TOUCH_US then touch(pool, tonumber(ARGV[15])) end
save_pool(pool)
return {state, whole(holder.granted), retry_ms, is_scarce and 1 or 0, pool.spent >= pool.limit and 1 or 0,
        whole(needs), whole(pool.ceiling), whole(pool.epoch)}
