-- How a pool is now, for people; begins with pool.lua and changes nothing. Reply {fields and values, is open, silent, now}
return {redis.call('HGETALL', KEYS[1]), load_pool() and 1 or 0, redis.call('SCARD', KEYS[6]), whole(now)}
