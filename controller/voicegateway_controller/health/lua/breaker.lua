-- The breaker of one target, in ms: `b` is its record, changed in place. Each function returns true when holders must
-- hear of what it did. `tests/fixtures/health_model.py` says the same in Python.
local WINDOW_MS, BUCKETS = 20000, 10
local ROW_MIN, ROW_MAX, ROW_PART = 2, 10, 10
local REQUESTS_MIN = 10
local OPEN_FIRST_MS, OPEN_MS_MAX = 1000, 60000
local KEY_OPEN_FIRST_MS, KEY_OPEN_MS_MAX = 10000, 300000
local RETRY_AFTER_MS_MAX = 300000
local CALM_MS = 60000
local PROBE_MS, AGAIN_MS = 10000, 2000
local GOOD = 2

local function open_ms(cause, openings, retry_after_ms)
  if retry_after_ms > 0 then return math.min(retry_after_ms, RETRY_AFTER_MS_MAX) end
  local first, most = OPEN_FIRST_MS, OPEN_MS_MAX
  if cause == 'unauthorized' then first, most = KEY_OPEN_FIRST_MS, KEY_OPEN_MS_MAX end
  return math.min(most, first * 2 ^ math.min(openings - 1, 16))
end

local function is_tried(b, now) return b.state == 'half_open' or (b.state == 'open' and now >= b.open_until) end

local function open(b, now, cause, retry_after_ms)
  if b.state == 'closed' then
    b.since = now
    if now - b.closed_at > CALM_MS then b.openings = 0 end
  end
  b.openings = b.openings + 1
  b.state, b.cause, b.open_until = 'open', cause, now + open_ms(cause, b.openings, retry_after_ms)
  b.good, b.row, b.prober, b.prober_until = 0, 0, '-', 0
  return true
end

-- A 429 or a refused key: no count is needed.
local function refused(b, now, cause, retry_after_ms)
  if b.state == 'closed' or is_tried(b, now) then return open(b, now, cause, retry_after_ms) end
  local asked = now + math.min(retry_after_ms, RETRY_AFTER_MS_MAX)
  if asked <= b.open_until then return false end
  b.open_until = asked
  return true
end

-- `window` is {good, bad} of the last WINDOW_MS, this report included.
local function failed(b, now, ok, bad, cause, window)
  if is_tried(b, now) then return open(b, now, cause, 0) end
  if b.state == 'open' then return false end
  if ok > 0 or now - b.row_at > WINDOW_MS then b.row = 0 end
  if ok == 0 then b.row, b.row_at = b.row + bad, now end
  local requests = window[1] + window[2]
  local long = math.max(ROW_MIN, math.min(ROW_MAX, math.floor(requests / ROW_PART)))
  if b.row >= long or (requests >= REQUESTS_MIN and window[2] * 2 >= requests) then return open(b, now, cause, 0) end
  return false
end

-- Returns what is to be told, and whether it was closed.
local function went_well(b, now, who)
  b.row = 0
  if not is_tried(b, now) then return false, false end
  b.good = b.good + 1
  if b.good < GOOD then
    b.state, b.prober, b.prober_until = 'half_open', who, now + AGAIN_MS
    return true, false
  end
  b.state, b.cause, b.closed_at, b.good, b.open_until, b.prober, b.prober_until = 'closed', '-', now, 0, 0, '-', 0
  return true, true
end

local function offered(b, now, who)
  if not is_tried(b, now) or (b.prober ~= '-' and b.prober_until > now) then return false end
  b.state, b.prober, b.prober_until = 'half_open', who, now + PROBE_MS
  return true
end

-- A server clock that was set back must keep nobody away, nor a prober in its place, for longer than was said.
local function hold_to_bounds(b, now)
  b.open_until = math.min(b.open_until, now + RETRY_AFTER_MS_MAX)
  b.prober_until = math.min(b.prober_until, now + PROBE_MS)
  b.row_at, b.closed_at, b.since = math.min(b.row_at, now), math.min(b.closed_at, now), math.min(b.since, now)
end
