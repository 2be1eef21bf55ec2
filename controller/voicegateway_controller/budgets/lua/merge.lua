-- What the ledger has of the whole window; begins with pool.lua. Late spans and dead holders come in so. It is not added
-- to what holders told: the living tell the same money in a moment.
-- ARGV 1 sum, in nano-dollars  2 revision  3 limit
-- Reply {'cold'}, or {'ok', fields and values of the pool, up to 64 silent holders whose sums the ledger should say}
local pool = load_pool()
if not pool then return {'cold'} end
if tonumber(ARGV[2]) > pool.revision then pool.revision, pool.limit = tonumber(ARGV[2]), tonumber(ARGV[3]) end
pool.ledger, pool.ledger_at = math.min(EXACT_MAX, tonumber(ARGV[1])), now
pass_time(pool)
save_pool(pool)
return {'ok', redis.call('HGETALL', KEYS[1]), redis.call('SRANDMEMBER', KEYS[6], 64)}
