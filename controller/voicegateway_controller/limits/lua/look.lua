-- How a pool is now, for people. KEYS 1 bucket or pool  2 expiry. Reply {fields and values, holders, seconds, us}
local time = redis.call('TIME')
return {redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[2]), time[1], time[2]}
