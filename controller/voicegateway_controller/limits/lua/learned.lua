-- What vendors said of their limits. KEYS 1 what was said (hash)  2 when (zset)
-- Reply {fields and texts, fields and times in ms, now in ms}
local time = redis.call('TIME')
return {redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
        string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))}
