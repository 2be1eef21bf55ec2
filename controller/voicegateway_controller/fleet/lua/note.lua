-- Note what a holder says, unless something newer of the same life was heard already.
-- KEYS: 1 the holder's hash, 2 the index of all holders. ARGV: 1 incarnation, 2 seq, 3 message (JSON), 4 time to
-- live in ms, 5 "1" when it is leaving, 6 whose it is (JSON). Returns the seq now held.
local held = tonumber(redis.call('HGET', KEYS[1], 'seq') or '-1')
local seq = tonumber(ARGV[2])
if seq <= held then
  return held
end
if ARGV[5] == '1' then
  -- The seq stays for one life of the key: a late message must not bring the holder back.
  redis.call('HSET', KEYS[1], 'seq', ARGV[2])
  redis.call('HDEL', KEYS[1], 'message', 'about')
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  local now = redis.call('TIME')
  local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
  redis.call('HSET', KEYS[1], 'seq', ARGV[2], 'message', ARGV[3], 'about', ARGV[6])
  redis.call('ZADD', KEYS[2], string.format('%d', now_ms + ARGV[4]), ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return seq
