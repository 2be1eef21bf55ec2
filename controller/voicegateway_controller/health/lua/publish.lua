-- Keep what is disabled by hand, unless something newer is kept; return the revision that is kept now.
-- KEYS 1 version, what is disabled. ARGV 1 revision  2 it, as JSON
local held = tonumber(redis.call('HGET', KEYS[1], 'revision') or -1)
if held >= tonumber(ARGV[1]) then return held end
redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'disabled', ARGV[2])
return tonumber(ARGV[1])
