-- Return the records that are due, and let nobody else look at them for a while.
-- KEYS: 1 records by session, 2 when each is looked at next. ARGV: 1 now, 2 until when they are ours (ms), 3 how many.
local claimed = {}
for _, session in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, tonumber(ARGV[3]))) do
  local record = redis.call('HGET', KEYS[1], session)
  if record then
    redis.call('ZADD', KEYS[2], ARGV[2], session)
    claimed[#claimed + 1] = record
  else
    redis.call('ZREM', KEYS[2], session)
  end
end
return claimed
