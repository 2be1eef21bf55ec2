-- Forget holders that fell silent; return the incarnations of the others, at most ARGV[1] of them.
-- KEYS: 1 the index of all holders. ARGV: 1 how many at most.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now_ms))
return redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
