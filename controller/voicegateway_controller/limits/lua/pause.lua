-- The vendor said stop: nothing is granted from this pool for a while. KEYS 1 bucket or pool. ARGV 1 pause_ms
local time = redis.call('TIME')
local until_us = time[1] * 1000000 + time[2] + tonumber(ARGV[1]) * 1000
local before = tonumber(redis.call('HGET', KEYS[1], 'pause_until') or '0')
if until_us > before then redis.call('HSET', KEYS[1], 'pause_until', string.format('%d', until_us)) end
return 1
