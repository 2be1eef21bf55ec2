-- Tell an event once, whoever sees first what it is about: note what is known now, and append the event if that is news.
-- KEYS: the stream, what is known (a hash). ARGV: field, value (empty: it is no more), how values compare (`other`: any
-- other value is news; `greater`: a greater number is), the event (empty: only note), how many events are kept, and for
-- how many ms what is known is kept. Answers 1 when it was news.
local held = redis.call('HGET', KEYS[2], ARGV[1])
if ARGV[3] == 'greater' then
    if held and tonumber(held) >= tonumber(ARGV[2]) then
        return 0
    end
elseif (held or '') == ARGV[2] then
    return 0
end
if ARGV[2] == '' then
    redis.call('HDEL', KEYS[2], ARGV[1])
else
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
if ARGV[4] ~= '' then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', 'event', ARGV[4])
end
return 1
