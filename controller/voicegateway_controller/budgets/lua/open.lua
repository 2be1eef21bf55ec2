-- Open a pool that was never open or lost its memory; begins with pool.lua. Sent once for each epoch, and refused when it
-- comes late: a pool that was spent and lost meanwhile would come back to life.
-- ARGV 1 seen: when this server said that the pool is cold  2 epoch  3 ceiling  4 unknown  5 spent, as the ledger has it
--      6 gone: what a rolling day has forgotten since its first opening  7 limit  8 revision  9 rolls (1: a rolling day)
--      10 live_ms  11 how many seeds  then each seed's incarnation and amount  then each slice's number and amount
-- Reply 'opened', 'open' (somebody else did), or 'late'
local LATE_US = 1000000
if load_pool() then return 'open' end
local seen = tonumber(ARGV[1])
if now < seen or now - seen > LATE_US then return 'late' end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
local last_seed = 11 + 2 * tonumber(ARGV[11])
for i = 12, last_seed, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
for i = last_seed + 1, #ARGV, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
local spent = tonumber(ARGV[5])
local pool = {
  epoch = tonumber(ARGV[2]), revision = tonumber(ARGV[8]), limit = tonumber(ARGV[7]), ceiling = tonumber(ARGV[3]),
  spent = spent, told = spent, ledger = spent, ledger_at = now, gone = tonumber(ARGV[6]), outstanding = 0,
  unknown = tonumber(ARGV[4]), unknown_until = 0, opened_at = now, holders = 0,
  slice = ARGV[9] == '1' and math.floor(now / SLICE_US) or -1, short_at = 0, live_ms = 0, touched_at = now,
  forgotten = 0, unbacked = 0,
}
-- The first opening of all has nothing to remember.
if pool.epoch > 1 then pool.unknown_until = now + KEEP_US end
save_pool(pool)
touch(pool, tonumber(ARGV[10]))
save_pool(pool)
return 'opened'
