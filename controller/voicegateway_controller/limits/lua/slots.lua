-- One claim on a concurrency pool. What must always hold: open streams <= slots (docs/concepts/limits.md has the proof).
-- KEYS 1 pool (hash)  2 holders (hash)  3 expiry (zset)  4 classes (hash); all of one hash tag
-- ARGV 1 class  2 incarnation  3 seq  4 open  5 target  6 waiters  7 refused  8 revision  9 slots  10 lease_ms
--      11 weight  12 min_share_permille
-- Reply {state, quota, ttl_ms, keep_ms, retry_ms, share_milli}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local boot = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local class, incarnation = ARGV[1], ARGV[2]
local seq, open, target = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local revision, lease_us = tonumber(ARGV[8]), tonumber(ARGV[10]) * 1000
local member = class .. '|' .. incarnation

local SILENCE_US = 2500000  -- with others' slots out and nobody heard for this long, no holder could have reached us
local GRACE_US = 4500000    -- the longest they back off: time to say again what they hold, before others get anything
local STEP_US = 1000000     -- a server clock that steps back by more than this has made all stored instants worthless

local pool = redis.call('HMGET', KEYS[1], 'boot', 'outstanding', 'slots', 'revision', 'learn_until', 'pause_until',
                        'heard_at')
local outstanding, slots, known, learn_until, pause_until, heard_at
local stepped_us = (tonumber(pool[7]) or 0) - now
if pool[1] ~= boot or stepped_us > STEP_US then
  -- The pool lost its memory, or its clock was set back, so that the slots of the dead would not come back for as long:
  -- holders say again what they hold, nothing is granted until all others are gone.
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  outstanding, slots, known, learn_until, heard_at = 0, tonumber(ARGV[9]), revision, now + lease_us, now
  pause_until = tonumber(pool[6]) or 0
  if stepped_us > STEP_US then pause_until = math.max(0, pause_until - stepped_us) end
else
  outstanding, slots, known, learn_until = tonumber(pool[2]), tonumber(pool[3]), tonumber(pool[4]), tonumber(pool[5])
  pause_until, heard_at = tonumber(pool[6]), tonumber(pool[7])
end
if revision > known then slots, known = tonumber(ARGV[9]), revision end
if outstanding > 0 and now - heard_at > SILENCE_US then
  -- Whoever speaks now says what it holds itself: where nobody else holds any, nobody is waited for.
  local own = string.match(redis.call('HGET', KEYS[2], member) or '0', '^%S+')
  if outstanding > tonumber(own) then learn_until = math.max(learn_until, now + GRACE_US) end
end
heard_at = now

local classes = {}
local flat = redis.call('HGETALL', KEYS[4])
for i = 1, #flat, 2 do
  local quota, wanted, holders, weight, min = string.match(flat[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  classes[flat[i]] = {quota = tonumber(quota), wanted = tonumber(wanted), holders = tonumber(holders),
                      weight = tonumber(weight), min = tonumber(min)}
end
local touched = {}

-- 1. Leases that ended: their slots are free, for a holder stops using them before that, and a dead one's are closed.
if learn_until <= now then
  local ended = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 16)
  for i = 1, #ended do
    local record = redis.call('HGET', KEYS[2], ended[i])
    if record then
      local quota, _, wanted = string.match(record, '^(%S+) (%S+) (%S+)')
      outstanding = outstanding - tonumber(quota)
      local name = string.match(ended[i], '^(.*)|[^|]*$')
      local theirs = classes[name]
      if theirs then
        theirs.quota, theirs.wanted = theirs.quota - tonumber(quota), theirs.wanted - tonumber(wanted)
        theirs.holders = theirs.holders - 1
        touched[name] = true
        if theirs.holders <= 0 then classes[name] = nil end
      end
      redis.call('HDEL', KEYS[2], ended[i])
    end
    redis.call('ZREM', KEYS[3], ended[i])
  end
end

-- 2. This holder's record.
local Q, S, wanted_before = 0, -1, 0
local record = redis.call('HGET', KEYS[2], member)
if record then
  local quota, r_seq, wanted = string.match(record, '^(%S+) (%S+) (%S+)')
  Q, S, wanted_before = tonumber(quota), tonumber(r_seq), tonumber(wanted)
end
local mine = classes[class]
if not mine then
  mine = {quota = 0, wanted = 0, holders = 0, weight = 1, min = 0}
  classes[class] = mine
end
mine.weight, mine.min = tonumber(ARGV[11]), tonumber(ARGV[12])
touched[class] = true

-- What each class may fairly hold: guaranteed minimums, then live before batch, by weight up to what it wants.
local function entitlements()
  local names, rest, fair = {}, slots, {}
  for name, each in pairs(classes) do
    names[#names + 1] = name
    fair[name] = math.min(each.wanted, math.floor(slots * each.min / 1000))
    rest = rest - fair[name]
  end
  table.sort(names)
  for tier = 0, 1 do
    local unsatisfied = {}
    for _, name in ipairs(names) do
      if string.sub(name, 1, 1) == tostring(tier) then unsatisfied[#unsatisfied + 1] = name end
    end
    while #unsatisfied > 0 and rest > 0 do
      local weights, still, taken = 0, {}, 0
      for _, name in ipairs(unsatisfied) do weights = weights + classes[name].weight end
      local per = rest / weights
      for _, name in ipairs(unsatisfied) do
        local more = classes[name].wanted - fair[name]
        if more <= per * classes[name].weight then
          fair[name], taken = fair[name] + more, taken + more
        else
          still[#still + 1] = name
        end
      end
      if #still == #unsatisfied then
        for _, name in ipairs(still) do fair[name] = fair[name] + per * classes[name].weight end
        rest = 0
      else
        rest = rest - taken
      end
      unsatisfied = still
    end
  end
  return fair
end

local state, retry_us = 'ok', 0
if seq <= S then
  state = 'outdated'
else
  local Q_before = Q
  mine.wanted = mine.wanted - wanted_before + target
  if not record then mine.holders = mine.holders + 1 end
  -- 3. Open streams are a fact, whatever was granted; a smaller target is a return.
  if target < Q then Q = math.max(target, open) end
  if open > Q then Q = open end
  outstanding, mine.quota = outstanding + (Q - Q_before), mine.quota + (Q - Q_before)
  -- 4. Grow.
  if target > Q then
    if learn_until > now then
      state, retry_us = 'learning', learn_until - now
    elseif pause_until > now then
      state, retry_us = 'paused', pause_until - now
    else
      local fair, left = entitlements(), slots - outstanding
      -- Beyond our own part nothing is taken that another class waits for and is entitled to.
      local own, owed = math.floor(fair[class]) - mine.quota, 0
      for name, each in pairs(classes) do
        if name ~= class then
          owed = owed + math.max(0, math.min(each.wanted - each.quota, math.floor(fair[name]) - each.quota))
        end
      end
      local grant = math.max(0, math.min(target - Q, math.max(math.min(left, own), left - owed)))
      Q, outstanding, mine.quota = Q + grant, outstanding + grant, mine.quota + grant
      if Q < target then
        local wanted = 0
        for _, each in pairs(classes) do wanted = wanted + each.wanted end
        retry_us = math.min(500000, math.max(10000, (wanted - slots) * 1000))
      end
    end
  end
  S = seq
  redis.call('HSET', KEYS[2], member, string.format('%d %d %d %d %d %d %d', Q, S, target, open, now + lease_us,
             tonumber(ARGV[6]), tonumber(ARGV[7])))
  redis.call('ZADD', KEYS[3], now + lease_us, member)
end

if learn_until > now and state == 'ok' then state = 'learning' end
if pause_until > now and state == 'ok' then state, retry_us = 'paused', pause_until - now end
redis.call('HSET', KEYS[1], 'boot', boot, 'outstanding', string.format('%d', outstanding),
           'slots', string.format('%d', slots), 'revision', string.format('%d', known),
           'learn_until', string.format('%d', learn_until), 'pause_until', string.format('%d', pause_until),
           'heard_at', string.format('%d', heard_at))
for name in pairs(touched) do
  local each = classes[name]
  if each then
    redis.call('HSET', KEYS[4], name, string.format('%d %d %d %d %d', each.quota, each.wanted, each.holders,
               each.weight, each.min))
  else
    redis.call('HDEL', KEYS[4], name)
  end
end
-- While half of the slots are free, a holder may keep one for its next stream instead of asking again.
local keep_ms = outstanding * 2 <= slots and 1000 or 0
return {state, Q, lease_us / 1000, keep_ms, math.ceil(retry_us / 1000),
        math.floor(slots * 1000 / math.max(1, redis.call('ZCARD', KEYS[3])))}
