-- Make a pool cold that Postgres says is not the newest; begins with pool.lua. ARGV 1 its epoch. Reply 1 when it is gone
local pool = load_pool()
if not pool or pool.epoch ~= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return 1
