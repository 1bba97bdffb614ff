-- ARGV: stream, node that is gone, what an event costs beside its message, milliseconds it is kept.
-- Ends a stream that this node produced, with its last words if it left any.
local id, producer = ARGV[3], ARGV[4]
local stream, events, infos = parts(id)
local facts = redis.call('HMGET', stream, 'last', 'bytes', 'ended', 'producer', 'words')
if not facts[1] or facts[3] or facts[4] ~= producer then return 0 end
if facts[5] ~= '' then
  local cost = string.len(facts[5]) + tonumber(ARGV[5])
  redis.call('RPUSH', events, facts[5])
  redis.call('RPUSH', infos, now() .. ' ' .. cost .. ' ' .. producer .. ':gone')
  redis.call('HSET', stream, 'last', tonumber(facts[1]) + 1, 'bytes', tonumber(facts[2]) + cost)
end
redis.call('HDEL', stream, 'words')
close(id, tonumber(ARGV[6]))
return 1
