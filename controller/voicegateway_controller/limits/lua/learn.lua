-- Keep what vendors said of their limits; forget what is old, and the oldest when there is too much.
-- KEYS 1 what was said (hash)  2 when (zset). ARGV 1 time to live in ms  2 fields at most  then pairs of field, JSON
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], string.format('%d', now_ms), ARGV[i])
end
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%d', now_ms - ARGV[1]))
local excess = redis.call('ZCARD', KEYS[2]) - ARGV[2]
if excess > #gone then gone = redis.call('ZRANGE', KEYS[2], 0, excess - 1) end
for i = 1, #gone do
  redis.call('HDEL', KEYS[1], gone[i])
  redis.call('ZREM', KEYS[2], gone[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return #gone
