-- A pool that was just declared, and never was before, has no leases to remember: it begins full, without learning.
-- KEYS 1 bucket or pool  2 holders  3 expiry. ARGV 1 kind  2 revision  3 n or slots  4 d  5 burst
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then return 0 end
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000000 + time[2])
local boot = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if ARGV[1] == 'rate' then
  redis.call('HSET', KEYS[1], 'boot', boot, 'level', string.format('%d', tonumber(ARGV[5]) * tonumber(ARGV[4])),
             'at', now, 'outstanding', '0', 'n', ARGV[3], 'd', ARGV[4], 'burst', ARGV[5], 'revision', ARGV[2],
             'learn_until', '0', 'pause_until', '0', 'spent', '0', 'shares_at', '0')
else
  redis.call('HSET', KEYS[1], 'boot', boot, 'outstanding', '0', 'slots', ARGV[3], 'revision', ARGV[2],
             'learn_until', '0', 'pause_until', '0', 'heard_at', now)
end
return 1
