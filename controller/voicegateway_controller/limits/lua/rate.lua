-- One claim on a rate pool. What must always hold: level + outstanding <= burst (docs/concepts/limits.md has the proof).
-- KEYS 1 bucket (hash)  2 holders (hash)  3 expiry (zset)  4 classes (hash); all of one hash tag
-- ARGV 1 class  2 incarnation  3 seq  4 used  5 target  6 need  7 wait_ms  8 demand_milli  9 waiters  10 refused
--      11 revision  12 n  13 d  14 burst  15 lease_ms  16 weight  17 min_share_permille
-- Levels are counted in 1/d units, n of which accrue per microsecond: whole numbers, exact up to 2^53.
-- A class is `<priority>|<project>`; a holder's record belongs to `<class>|<incarnation>`.
-- Reply {state, granted, ttl_ms, ready_ms, retry_ms, share_milli}; a state is its word on the wire.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local boot = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local class, incarnation = ARGV[1], ARGV[2]
local seq, used, target, need = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local wait_us, demand = tonumber(ARGV[7]) * 1000, tonumber(ARGV[8])
local revision, lease_us = tonumber(ARGV[11]), tonumber(ARGV[15]) * 1000
local member = class .. '|' .. incarnation

local BATCH_US = 250000   -- a contended holder is granted what it fairly gets in this time, not one unit at a time
local CREDIT_US = 100000  -- a class whose holders were on their way may catch up with what it missed in this time
local SHARES_US = 100000  -- how old the division among classes may be
local STEP_US = 1000000   -- a server clock that steps back by more than this has made all stored instants worthless

local bucket = redis.call('HMGET', KEYS[1], 'boot', 'level', 'at', 'outstanding', 'n', 'd', 'burst', 'revision',
                          'learn_until', 'pause_until', 'spent', 'shares_at')
local level, at, outstanding, n, d, burst, known, learn_until, pause_until, spent, shares_at
local stepped_us = (tonumber(bucket[3]) or 0) - now
if bucket[1] ~= boot or stepped_us > STEP_US then
  -- The pool lost its memory, or a server took over that may have, or its clock was set back, so that the leases of the
  -- dead would not end for as long. Leases we forgot can be spent until they end: until then nothing is granted and
  -- nothing accrues.
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  n, d, burst, known = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), revision
  level, at, outstanding, learn_until, spent, shares_at = 0, now, 0, now + lease_us, 0, 0
  pause_until = tonumber(bucket[10]) or 0
  if stepped_us > STEP_US then pause_until = math.max(0, pause_until - stepped_us) end
else
  level, at, outstanding = tonumber(bucket[2]), tonumber(bucket[3]), tonumber(bucket[4])
  n, d, burst, known = tonumber(bucket[5]), tonumber(bucket[6]), tonumber(bucket[7]), tonumber(bucket[8])
  learn_until, pause_until = tonumber(bucket[9]), tonumber(bucket[10])
  spent, shares_at = tonumber(bucket[11]), tonumber(bucket[12])
end

-- 1. Refill first, with the outstanding known before this claim: crediting a report in retrospect breaks the bound.
if learn_until > now then
  at = now
elseif now > at then
  local room = (burst - outstanding) * d - level
  if room > 0 then level = level + math.min(room, n * (now - at)) end
  at = now
end
if revision > known then
  local d_new = tonumber(ARGV[13])
  level = math.floor(level / d) * d_new
  n, d, burst, known = tonumber(ARGV[12]), d_new, tonumber(ARGV[14]), revision
  level = math.min(level, (burst - outstanding) * d)
end

local classes = {}
local flat = redis.call('HGETALL', KEYS[4])
local class_count = 0
for i = 1, #flat, 2 do
  local c_demand, c_holders, c_weight, c_min, c_share, c_tat = string.match(flat[i + 1],
    '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  classes[flat[i]] = {demand = tonumber(c_demand), holders = tonumber(c_holders), weight = tonumber(c_weight),
                      min = tonumber(c_min), share = tonumber(c_share), tat = tonumber(c_tat)}
  class_count = class_count + 1
end
local touched = {}

-- 2. Leases that ended: no longer outstanding, and not refunded, for they may have been spent.
local ended = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 16)
for i = 1, #ended do
  local record = redis.call('HGET', KEYS[2], ended[i])
  if record then
    local granted, reported, _, _, their_demand = string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+)')
    outstanding = outstanding - (tonumber(granted) - tonumber(reported))
    local name = string.match(ended[i], '^(.*)|[^|]*$')
    local theirs = classes[name]
    if theirs then
      theirs.demand, theirs.holders = theirs.demand - tonumber(their_demand), theirs.holders - 1
      touched[name] = true
      if theirs.holders <= 0 then
        classes[name], class_count = nil, class_count - 1
      end
    end
    redis.call('HDEL', KEYS[2], ended[i])
  end
  redis.call('ZREM', KEYS[3], ended[i])
end

-- 3. This holder's record; one we do not know starts from what it says it has spent.
local G, U, S, ready, demand_before = used, used, -1, 0, 0
local record = redis.call('HGET', KEYS[2], member)
if record then
  local r_granted, r_used, r_seq, r_ready, r_demand = string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+)')
  G, U, S, ready, demand_before = tonumber(r_granted), tonumber(r_used), tonumber(r_seq), tonumber(r_ready),
                                  tonumber(r_demand)
end
local mine = classes[class]
if not mine then
  mine = {demand = 0, holders = 0, weight = 1, min = 0, share = 0, tat = 0}
  classes[class], class_count, shares_at = mine, class_count + 1, 0
end
mine.weight, mine.min = tonumber(ARGV[16]), tonumber(ARGV[17])
touched[class] = true

local state, retry_us, grant, starts = 'ok', 0, 0, 0
if seq <= S then
  state = 'outdated'
else
  mine.demand = mine.demand - demand_before + demand
  if not record then mine.holders, shares_at = mine.holders + 1, 0 end

  -- 4. What was spent, cumulative. Beyond the grant it is a debt, repaid before anything is granted; at most a burst.
  local newly = used - U
  if learn_until > now then
    -- Spent from a lease that we forgot, which the time of learning waits for already.
    G, U = used, used
  elseif newly > 0 then
    local covered = math.min(newly, G - U)
    outstanding = outstanding - covered
    if newly > covered then
      level = math.max(level - (newly - covered) * d, math.min(level, -burst * d))
      G = used
    end
    U, spent = used, spent + newly
  end

  -- 5. Return, or grow.
  if target < G then
    local keep = math.max(target, U)
    level, outstanding, G = level + (G - keep) * d, outstanding - (G - keep), keep
  elseif target > G then
    if learn_until > now then
      state, retry_us = 'learning', learn_until - now
    elseif pause_until > now then
      state, retry_us = 'paused', pause_until - now
    else
      local want, must = target - G, math.min(burst, math.max(0, need - G))
      local total_demand = 0
      for _, each in pairs(classes) do total_demand = total_demand + each.demand end
      -- Demand is in units per 1,000 s, so is 1e9 n / d.
      local contended = total_demand * d > 9e8 * n or level < must * d

      if class_count > 1 and contended and now - shares_at > SHARES_US then
        -- Max-min division of n: guaranteed minimums first, then live before batch by weight up to demand.
        local names, rest = {}, n
        for name, each in pairs(classes) do
          names[#names + 1] = name
          each.before = each.share
          each.wanted = each.demand * 1.25 * d / 1e9 + n / 1000
          each.share = math.min(each.wanted, n * each.min / 1000)
          rest = rest - each.share
        end
        table.sort(names)
        for tier = 0, 1 do
          local open = {}
          for _, name in ipairs(names) do
            if string.sub(name, 1, 1) == tostring(tier) then open[#open + 1] = name end
          end
          while #open > 0 and rest > 0 do
            local weights, still = 0, {}
            for _, name in ipairs(open) do weights = weights + classes[name].weight end
            local per, taken = rest / weights, 0
            for _, name in ipairs(open) do
              local each = classes[name]
              local more = each.wanted - each.share
              if more <= per * each.weight then
                each.share, taken = each.wanted, taken + more
              else
                still[#still + 1] = name
              end
            end
            if #still == #open then
              for _, name in ipairs(open) do
                classes[name].share = classes[name].share + per * classes[name].weight
              end
              rest = 0
            else
              rest = rest - taken
            end
            open = still
          end
        end
        shares_at = now
        for _, name in ipairs(names) do
          local each = classes[name]
          each.share = math.max(each.share, n / 1000)
          -- What is owed stays the same number of units, however fast it is now paid.
          if each.before > 0 and each.tat > now then each.tat = now + (each.tat - now) * each.before / each.share end
          touched[name] = true
        end
      end

      local gated = class_count > 1 and contended and mine.share > 0
      local share = gated and mine.share or n
      local fair = share / mine.holders
      local size = must
      if contended then
        size = math.max(must, math.min(want, math.floor(fair * BATCH_US / d)))
      end

      local function wait_for(units)
        if units > burst - outstanding then return nil end
        local global = 0
        if level < units * d then global = math.ceil((units * d - level) / n) end
        -- What others leave unused piles up, and is anybody's: above this level no class waits for its turn.
        local spare = math.min(burst * d / 4, n * BATCH_US)
        if gated and level - units * d < spare then return math.max(global, math.ceil(mine.tat - now)), true end
        return global, false
      end

      local ahead, charged = wait_for(size)
      if (not ahead or ahead > wait_us) and size > must then
        size = must
        ahead, charged = wait_for(size)
      end
      -- Without a waiter nothing is promised for later: the lease could not be spent at all until then.
      local patience = must > 0 and wait_us or 0
      if size > 0 and ahead and ahead <= patience then
        grant, starts = size, math.max(0, ahead)
      elseif must > 0 then
        local turn = mine.holders * d / share
        -- Who is held back for others' sake asks sooner: what they leave unused should find somebody.
        local most = gated and math.min(1000000, math.max(250000, mine.holders * 1000)) or 1000000
        retry_us = math.min(most, math.max(40000, turn, ahead and ahead - wait_us or 200000))
      end
      if grant >= must and starts == 0 and not contended then
        -- More than is needed now, so that the next requests need not ask: never so much that others run dry.
        local more = math.min(want - grant, math.floor((burst / 2 - outstanding - grant) / 2),
                              math.floor((level / d - grant) / 4))
        if more > 0 then grant = grant + more end
      end
      if grant > 0 then
        level, outstanding, G = level - grant * d, outstanding + grant, G + grant
        ready = math.max(ready, now + starts)
        if charged then mine.tat = math.max(mine.tat, now - CREDIT_US) + grant * d / share end
      elseif must == 0 and want > 0 then
        retry_us = 200000
      end
    end
  end
  S = seq
  redis.call('HSET', KEYS[2], member, string.format('%d %d %d %d %d %d %d %d', G, U, S, ready, demand, now + lease_us,
             tonumber(ARGV[9]), tonumber(ARGV[10])))
  redis.call('ZADD', KEYS[3], now + lease_us, member)
end

if learn_until > now and state == 'ok' then state = 'learning' end
if pause_until > now and state == 'ok' then state, retry_us = 'paused', pause_until - now end
redis.call('HSET', KEYS[1], 'boot', boot, 'level', string.format('%d', level), 'at', string.format('%d', at),
           'outstanding', string.format('%d', outstanding), 'n', string.format('%d', n), 'd', string.format('%d', d),
           'burst', string.format('%d', burst), 'revision', string.format('%d', known),
           'learn_until', string.format('%d', learn_until), 'pause_until', string.format('%d', pause_until),
           'spent', string.format('%d', spent), 'shares_at', string.format('%d', shares_at))
for name in pairs(touched) do
  local each = classes[name]
  if each then
    redis.call('HSET', KEYS[4], name, string.format('%d %d %d %d %.17g %.17g', each.demand, each.holders, each.weight,
               each.min, each.share, each.tat))
  else
    redis.call('HDEL', KEYS[4], name)
  end
end
local all_holders = redis.call('ZCARD', KEYS[3])
local fair_share = (class_count > 1 and mine.share > 0 and mine.share / math.max(1, mine.holders)
                    or n / math.max(1, all_holders)) * 1e9 / d
return {state, string.format('%d', G), lease_us / 1000, math.ceil(math.max(0, ready - now) / 1000),
        math.ceil(retry_us / 1000), math.floor(fair_share)}
