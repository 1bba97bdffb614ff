-- ARGV: stream, message, its cost, events kept, bytes kept, milliseconds an event is kept, the
-- sender's mark of the message, whether it may have been sent before. Returns its number, the
-- bytes kept, and the node that reads.
local id, message, cost = ARGV[3], ARGV[4], tonumber(ARGV[5])
local most, room, age = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local stream, events, infos = parts(id)
local facts = redis.call('HMGET', stream, 'last', 'bytes', 'ended', 'node', 'owner', 'alone')
if not facts[1] or facts[3] then return false end
-- What a session hears without a request, it hears from the node that it listens at.
if facts[6] and facts[5] and facts[5] ~= ARGV[2] then return false end
local number, bytes, node = tonumber(facts[1]), tonumber(facts[2]), facts[4]
if ARGV[10] == '1' then
  -- A message that was taken although its sender never heard so is not taken again.
  local late = redis.call('LRANGE', infos, -64, -1)
  for place, info in ipairs(late) do
    if string.match(info, '%S+$') == ARGV[9] then
      return { number - #late + place, bytes, node or '' }
    end
  end
end
number = number + 1
local at = now()
redis.call('RPUSH', events, message)
redis.call('RPUSH', infos, at .. ' ' .. cost .. ' ' .. ARGV[9])
bytes = trim(id, bytes + cost, function(count, bytes, oldest)
  return count > 1 and (count > most or bytes > room or at - oldest >= age)
end)
redis.call('HSET', stream, 'last', number, 'bytes', bytes)
local left = redis.call('PTTL', stream)
redis.call('PEXPIRE', events, left)
redis.call('PEXPIRE', infos, left)
if node and node ~= ARGV[2] then tell(node, id) end
return { number, bytes, node or '' }
