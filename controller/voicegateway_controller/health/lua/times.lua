-- Times to first byte of one target: histograms of the last ten minutes, and whether it answers slower than it did.
-- `tests/fixtures/health_model.py` says the same in Python. The counts of a minute are "minute count count …".
local MINUTE_MS, MINUTES, LATE = 60000, 10, 2
local JUDGE_MS = 5000
local SHOWN_MIN, LATE_MIN, BASE_MIN = 10, 20, 50
local ENTER_TIMES, ENTER_MS = 3, 300
local LEAVE_NUM, LEAVE_DEN = 3, 2
local CONFIRM_MS, DEGRADED_MS_MAX = 120000, 600000

local function minute_of(counts_key, slot, minute)
  local text = redis.call('HGET', counts_key, 'm' .. slot)
  local found, first = {}, nil
  for each in string.gmatch(text or '', '%d+') do
    if first == nil then first = tonumber(each) else found[#found + 1] = tonumber(each) end
  end
  if first ~= minute then return nil end
  return found
end

local function count_times(counts_key, now, pairs_text, buckets)
  local minute = math.floor(now / MINUTE_MS)
  local counts = minute_of(counts_key, minute % MINUTES, minute)
  if counts == nil then
    counts = {}
    for i = 1, buckets do counts[i] = 0 end
  end
  for index, count in string.gmatch(pairs_text, '(%d+):(%d+)') do
    local at = tonumber(index) + 1
    if at <= buckets then counts[at] = counts[at] + tonumber(count) end
  end
  for i = 1, #counts do counts[i] = string.format('%d', counts[i]) end
  redis.call('HSET', counts_key, 'm' .. minute % MINUTES, string.format('%d ', minute) .. table.concat(counts, ' '))
end

local function percentile(counts, total, permille, bounds)
  if total == 0 then return 0 end
  local rank = math.max(1, math.ceil(total * permille / 1000))
  for i = 1, #counts do
    rank = rank - counts[i]
    if rank <= 0 then return bounds[i] end
  end
  return bounds[#bounds]
end

-- Sums of the minutes from `oldest` to `newest` ago.
local function summed(counts_key, now, oldest, newest, buckets)
  local sums, total = {}, 0
  for i = 1, buckets do sums[i] = 0 end
  for ago = newest, oldest do
    local minute = math.floor(now / MINUTE_MS) - ago
    for i, count in ipairs(minute_of(counts_key, minute % MINUTES, minute) or {}) do
      sums[i] = sums[i] + count
      total = total + count
    end
  end
  return sums, total
end

-- Returns true when holders must hear of it.
local function judge(b, counts_key, now, bounds)
  if now - b.judged_at < JUDGE_MS and now >= b.judged_at then return false end
  b.judged_at = now
  local late, late_total = summed(counts_key, now, LATE - 1, 0, #bounds)
  local base, base_total = summed(counts_key, now, MINUTES - 1, LATE, #bounds)
  local before = {b.degraded, b.p50, b.p95}
  local late_p95 = percentile(late, late_total, 950, bounds)
  local shown, shown_total = late, late_total
  if late_total < SHOWN_MIN then
    shown_total = late_total + base_total
    for i = 1, #bounds do shown[i] = late[i] + base[i] end
  end
  if shown_total < SHOWN_MIN then
    b.p50, b.p95, b.samples = 0, 0, 0
  else
    b.p50, b.p95 = percentile(shown, shown_total, 500, bounds), percentile(shown, shown_total, 950, bounds)
    b.samples = shown_total
  end
  if b.degraded == 1 then
    local is_known, is_slow = late_total >= LATE_MIN, late_p95 * LEAVE_DEN > b.base_ms * LEAVE_NUM
    if is_known and is_slow then b.confirmed_at = now end
    local is_over = now - b.confirmed_at > CONFIRM_MS or now - b.entered_at > DEGRADED_MS_MAX
    if is_over or (is_known and not is_slow) then b.degraded = 0 end
  elseif late_total >= LATE_MIN and base_total >= BASE_MIN then
    local base_p95 = percentile(base, base_total, 950, bounds)
    if late_p95 >= ENTER_TIMES * base_p95 and late_p95 >= base_p95 + ENTER_MS then
      b.degraded, b.base_ms, b.entered_at, b.confirmed_at = 1, base_p95, now, now
    end
  end
  return b.degraded ~= before[1] or b.p50 ~= before[2] or b.p95 ~= before[3]
end
