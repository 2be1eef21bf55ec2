-- Return what is known, as far as the caller does not know it yet.
-- KEYS 1 records by target  2 version, what is disabled. ARGV 3 version known  4 revision known of what is disabled
-- Reply {1 when a report was news, version, now, records or false, revision of what is disabled, it or false}
local clock = redis.call('TIME')
local facts = redis.call('HMGET', KEYS[2], 'version', 'revision', 'disabled')
local version, revision = tonumber(facts[1] or 0), tonumber(facts[2] or 0)
local records = version ~= tonumber(ARGV[3]) and redis.call('HGETALL', KEYS[1])
local disabled = revision ~= tonumber(ARGV[4]) and facts[3]
return {is_new and 1 or 0, string.format('%d', version), string.format('%d', clock[1] * 1000 + math.floor(clock[2] / 1000)),
        records, revision, disabled}
