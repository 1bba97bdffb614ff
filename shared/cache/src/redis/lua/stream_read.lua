-- ARGV: stream, turn, number of the last event that was read, events at once, bytes at once.
-- While there is nothing to read the answer names the node that produces, if that is another one.
local id, after = ARGV[3], tonumber(ARGV[5])
local stream, events, infos = parts(id)
local facts = redis.call('HMGET', stream, 'last', 'ended', 'turn', 'producer')
if not facts[1] then return 'unknown' end
if tonumber(facts[3]) ~= tonumber(ARGV[4]) then return 'taken' end
local kept = redis.call('LLEN', events)
local wanted = tonumber(facts[1]) - after
if wanted < 0 or wanted > kept then return 'lost' end
if wanted == 0 then
  if facts[2] then return 'end' end
  if facts[4] and facts[4] ~= ARGV[2] then return 'wait' .. facts[4] end
  return 'wait'
end
local first = kept - wanted
local costs = redis.call('LRANGE', infos, first, first + tonumber(ARGV[6]) - 1)
local count, bytes = 0, 0
for _, info in ipairs(costs) do
  bytes = bytes + tonumber(string.match(info, ' (%d+)'))
  if count > 0 and bytes > tonumber(ARGV[7]) then break end
  count = count + 1
end
return redis.call('LRANGE', events, first, first + count - 1)
