-- What every script of a budget's pool begins with: the pool as it is kept, and what time does to it.
-- KEYS 1 pool (hash)  2 holders (hash)  3 expiry (zset)  4 seeds (hash)  5 slices (hash)  6 silent (set); one hash tag
-- Amounts are whole nano-dollars, exact up to 2^53; instants are microseconds of this server's clock.
-- What must always hold: after every grant spent + outstanding + unknown <= limit, and with what a rolling day has
-- forgotten (`gone`) <= ceiling; outstanding is the sum of granted - used over all holders' records; spent is the higher
-- of what holders told and what the ledger has, which are never added (docs/concepts/budgets.md has the proof).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local boot = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local KEEP_US = 600000000         -- MONEY_KEEP_MS: who says nothing for so long has stopped spending
local FORGET_US = 604800000000    -- a silent holder's counter is kept for a week, in case it only had nothing to say
local SEEDS_US = 900000000        -- `open` knows of everybody who was charged anything in this time before it
local SLICE_US, SLICES_BACK = 300000000, 288  -- of a rolling day: shared/voicegateway_shared/budgets/window.py
local STALE_US = 600000000        -- how long the ledger's sum of a rolling day is believed
local TOUCH_US = 3600000000       -- how often the life of the keys is prolonged
local EXACT_MAX = 9007199254740991
local AMOUNT_MAX = 4503599627370496
local LIVING, SILENT, GONE = 0, 1, 2
local FIELDS = {'epoch', 'revision', 'limit', 'ceiling', 'spent', 'told', 'ledger', 'ledger_at', 'gone', 'outstanding',
                'unknown', 'unknown_until', 'opened_at', 'holders', 'slice', 'short_at', 'live_ms', 'touched_at',
                'forgotten', 'unbacked'}

local function whole(number) return string.format('%d', number) end

-- The pool, or nil: it was never opened, lost its memory, or another server took over that may have.
local function load_pool()
  local values = redis.call('HMGET', KEYS[1], 'boot', unpack(FIELDS))
  if values[1] ~= boot then return nil end
  local pool, before = {}, {}
  for i, field in ipairs(FIELDS) do
    before[field] = tonumber(values[i + 1])
    pool[field] = before[field]
  end
  pool.before = before
  return pool
end

-- Most of it stays as it was: writing all of it again made a claim a third dearer.
local function save_pool(pool)
  local flat, before = {'boot', boot}, pool.before or {}
  for _, field in ipairs(FIELDS) do
    if pool[field] ~= before[field] then
      flat[#flat + 1] = field
      flat[#flat + 1] = whole(pool[field])
    end
  end
  redis.call('HSET', KEYS[1], unpack(flat))
end

local function load_holder(name)
  local record = redis.call('HGET', KEYS[2], name)
  if not record then return nil end
  local granted, used, seq, kind, waiters, refused, heard_at =
    string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {granted = tonumber(granted), used = tonumber(used), seq = tonumber(seq), kind = tonumber(kind),
          waiters = tonumber(waiters), refused = tonumber(refused), heard_at = tonumber(heard_at)}
end

local function save_holder(name, holder)
  redis.call('HSET', KEYS[2], name, string.format('%d %d %d %d %d %d %d', holder.granted, holder.used, holder.seq,
             holder.kind, holder.waiters, holder.refused, holder.heard_at))
end

-- What was spent is a fact, whatever was granted. In a rolling day it belongs to the slice of this moment.
local function charge(pool, amount)
  pool.told = math.min(EXACT_MAX, pool.told + amount)
  pool.spent = math.max(pool.told, pool.ledger)
  if pool.slice >= 0 then
    redis.call('HINCRBY', KEYS[5], whole(math.floor(now / SLICE_US)), whole(amount))
    redis.call('PEXPIRE', KEYS[5], whole(pool.live_ms))
  end
end

-- A holder's counter rises to what it told, or to what the ledger knows of it: the higher is true.
local function use(pool, holder, used)
  if used <= holder.used then return end
  pool.outstanding = pool.outstanding - (math.min(holder.granted, used) - holder.used)
  charge(pool, used - holder.used)
  holder.used, holder.granted = used, math.max(holder.granted, used)
end

local function goes_by(pool, holder, granted)
  pool.outstanding = pool.outstanding + granted - holder.granted
  holder.granted = granted
end

-- Keys without a life of their own would stay for ever.
local function touch(pool, live_ms)
  pool.live_ms, pool.touched_at = live_ms, now
  for i = 1, 6 do redis.call('PEXPIRE', KEYS[i], whole(live_ms)) end
end

-- What only time does: slices older than a day are forgotten, silent holders lose their leases, and what a pool that
-- lost its memory did not know of can no longer be spent.
local function pass_time(pool)
  local slice = math.floor(now / SLICE_US)
  if pool.slice >= 0 and pool.slice < slice then
    local flat = redis.call('HGETALL', KEYS[5])
    for i = 1, #flat, 2 do
      if tonumber(flat[i]) < slice - SLICES_BACK then
        pool.told = math.max(0, pool.told - tonumber(flat[i + 1]))
        pool.gone = math.min(EXACT_MAX, pool.gone + tonumber(flat[i + 1]))
        redis.call('HDEL', KEYS[5], flat[i])
      end
    end
    pool.slice = slice
  end
  -- The ledger's sum of a rolling day sinks too; one that nobody has renewed for long says nothing.
  if pool.slice >= 0 and now - pool.ledger_at > STALE_US then pool.ledger = 0 end
  pool.spent = math.max(pool.told, pool.ledger)
  if now >= pool.unknown_until then pool.unknown = 0 end
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', whole(now), 'LIMIT', 0, 16)) do
    local holder = load_holder(name)
    if holder and holder.kind == LIVING then
      goes_by(pool, holder, holder.used)
      holder.kind, pool.holders = SILENT, pool.holders - 1
      save_holder(name, holder)
      redis.call('ZADD', KEYS[3], whole(now + FORGET_US), name)
      redis.call('SADD', KEYS[6], name)
      redis.call('PEXPIRE', KEYS[6], whole(pool.live_ms))
    elseif holder and now < pool.unknown_until then
      -- Until a loss is healed, whoever has no record is somebody that has not told yet.
      redis.call('ZADD', KEYS[3], whole(pool.unknown_until), name)
    else
      if holder and holder.kind == SILENT then pool.forgotten = pool.forgotten + 1 end
      redis.call('HDEL', KEYS[2], name)
      redis.call('ZREM', KEYS[3], name)
      redis.call('SREM', KEYS[6], name)
    end
  end
end
