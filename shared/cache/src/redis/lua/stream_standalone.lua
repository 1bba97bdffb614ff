-- ARGV: stream, milliseconds that the one before is kept
local id = ARGV[3]
local left = redis.call('PTTL', (parts(id)))
if left < 0 then return 0 end
local before = redis.call('GET', standalone)
redis.call('SET', standalone, id, 'PX', left)
redis.call('HSET', parts(id), 'alone', 1)
if before and before ~= id then close(before, tonumber(ARGV[4])) end
return 1
