-- Keep what a session's worker must do, unless it is being told already; return the record that holds now.
-- KEYS: 1 records by session, 2 when each is looked at next (open ones only), 3 when each is forgotten.
-- ARGV: 1 session, 2 record (JSON), 3 now, 4 look at it, 5 forget it (all ms), 6 records at most, 7 life of the keys in
-- ms, 8 how many to forget at most. Returns false when there is no room.
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[3], 'LIMIT', 0, tonumber(ARGV[8]))) do
  redis.call('HDEL', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return held
end
if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then
  return false
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1])
for index = 1, 3 do
  redis.call('PEXPIRE', KEYS[index], ARGV[7])
end
return ARGV[2]
