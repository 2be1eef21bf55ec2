-- More may be released: absolute, so that it may be said twice; of one epoch; never makes a pool. Begins with pool.lua.
-- ARGV 1 epoch  2 ceiling  3 backed (1: committed in Postgres before). Reply {1 when the epoch is ours, ceiling}
local pool = load_pool()
if not pool or pool.epoch ~= tonumber(ARGV[1]) then return {0, '0'} end
local ceiling, is_backed = tonumber(ARGV[2]), ARGV[3] == '1'
if ceiling >= pool.ceiling then
  if is_backed then pool.unbacked = 0 elseif ceiling > pool.ceiling then pool.unbacked = 1 end
  pool.ceiling = ceiling
end
save_pool(pool)
return {1, whole(pool.ceiling)}
