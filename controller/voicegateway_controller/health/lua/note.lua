-- Take one holder's report, once, and return what is known now. Times are of this server, in ms.
-- KEYS 1 records by target  2 version, what is disabled  3 the number heard of this holder  4.. counts of each target
-- ARGV 1 holder  2 number of the report  3 version known  4 revision known of what is disabled  5 targets at most
--      6 bounds of the times' buckets, the last stands for all above; then for each target: its name, ok, failed,
--      timed out, limited, retry after in ms, unauthorized, times as "bucket:count …"
-- Reply {1 when the report was news, version, now, records or false, revision of what is disabled, it or false}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local NAMES = {'state', 'cause', 'since', 'open_until', 'openings', 'good', 'prober', 'prober_until', 'closed_at', 'row',
               'row_at', 'degraded', 'base_ms', 'entered_at', 'confirmed_at', 'p50', 'p95', 'samples', 'judged_at',
               'heard_at'}
local WORDS = {state = true, cause = true, prober = true}
local KEEP_MS, COUNTS_KEEP_MS, TOLD_KEEP_MS = 86400000, 900000, 120000
local states, meta, told, who = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local bounds = {}
for each in string.gmatch(ARGV[6], '%d+') do bounds[#bounds + 1] = tonumber(each) end
local has_news, is_new = false, false

local function read(text)
  local b, i = {}, 0
  for each in string.gmatch(text, '%S+') do
    i = i + 1
    b[NAMES[i]] = WORDS[NAMES[i]] and each or tonumber(each)
  end
  return b
end

local function make_room()
  local oldest, at = nil, math.huge
  local all = redis.call('HGETALL', states)
  for i = 1, #all, 2 do
    local b = read(all[i + 1])
    local heard_at = b.heard_at + (b.state == 'closed' and 0 or 2 ^ 50)
    if heard_at < at then oldest, at = all[i], heard_at end
  end
  redis.call('HDEL', states, oldest)
end

local function load(name)
  local text = redis.call('HGET', states, name)
  if text then return read(text) end
  if redis.call('HLEN', states) >= tonumber(ARGV[5]) then make_room() end
  return read('closed - 0 0 0 0 - 0 0 0 0 0 0 0 0 0 0 0 0 0')
end

local function save(name, b)
  local words = {}
  for i, key in ipairs(NAMES) do words[i] = WORDS[key] and b[key] or string.format('%d', b[key]) end
  redis.call('HSET', states, name, table.concat(words, ' '))
end

local function count(counts_key, ok, bad)
  local bucket_ms = WINDOW_MS / BUCKETS
  local bucket = math.floor(now / bucket_ms)
  local sums = {0, 0}
  for ago = 0, BUCKETS - 1 do
    local slot = 'w' .. (bucket - ago) % BUCKETS
    local at, good, failed = string.match(redis.call('HGET', counts_key, slot) or '', '(%d+) (%d+) (%d+)')
    if tonumber(at) ~= bucket - ago then good, failed = 0, 0 end
    if ago == 0 then
      good, failed = good + ok, failed + bad
      redis.call('HSET', counts_key, slot, string.format('%d %d %d', bucket, good, failed))
    end
    sums[1], sums[2] = sums[1] + good, sums[2] + failed
  end
  return sums
end

local function heard(at, counts_key)
  local name, ok, failures, timeouts = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local limited, retry_after_ms, unauthorized = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local b = load(name)
  hold_to_bounds(b, now)
  local bad, is_told = failures + timeouts, false
  local window = {0, 0}
  if ok + bad > 0 then window = count(counts_key, ok, bad) end
  if unauthorized > 0 then
    is_told = refused(b, now, 'unauthorized', retry_after_ms)
  elseif limited > 0 then
    is_told = refused(b, now, 'rate_limited', retry_after_ms)
  elseif bad > 0 then
    is_told = failed(b, now, ok, bad, timeouts > failures and 'timeouts' or 'errors', window)
  elseif ok > 0 then
    local is_closed
    is_told, is_closed = went_well(b, now, who)
    if is_closed then for i = 0, BUCKETS - 1 do redis.call('HDEL', counts_key, 'w' .. i) end end
  else
    is_told = offered(b, now, who)
  end
  if ARGV[at + 7] ~= '' then
    count_times(counts_key, now, ARGV[at + 7], #bounds)
    is_told = judge(b, counts_key, now, bounds) or is_told
  end
  b.heard_at = now
  save(name, b)
  redis.call('PEXPIRE', counts_key, COUNTS_KEEP_MS)
  return is_told
end

local number = tonumber(ARGV[2])
if number > tonumber(redis.call('GET', told) or 0) then
  is_new = true
  redis.call('SET', told, string.format('%d', number), 'PX', TOLD_KEEP_MS)
  for i = 4, #KEYS do has_news = heard(7 + (i - 4) * 8, KEYS[i]) or has_news end
  if has_news then
    local version = tonumber(redis.call('HGET', meta, 'version') or 0)
    redis.call('HSET', meta, 'version', string.format('%d', math.max(version + 1, now)))
  end
  redis.call('PEXPIRE', states, KEEP_MS)
  redis.call('PEXPIRE', meta, KEEP_MS)
end
