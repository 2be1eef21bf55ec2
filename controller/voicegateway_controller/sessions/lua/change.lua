-- Replace a session's record if it is still the one that was read; return 1 if it was.
-- KEYS: 1 records by session, 2 when each is looked at next.
-- ARGV: 1 session, 2 the record as read, 3 the new one, 4 when to look at it next in ms, empty: never again.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return 1
