-- ARGV: stream, turn, number of the last event that was read, events at once, bytes at once.
local id, after = ARGV[3], tonumber(ARGV[5])
local stream, events, infos = parts(id)
local facts = redis.call('HMGET', stream, 'last', 'ended', 'turn')
if not facts[1] then return 'lost' end
if tonumber(facts[3]) ~= tonumber(ARGV[4]) then return 'taken' end
local kept = redis.call('LLEN', events)
local wanted = tonumber(facts[1]) - after
if wanted < 0 or wanted > kept then return 'lost' end
if wanted == 0 then return facts[2] and 'end' or 'wait' end
local first = kept - wanted
local costs = redis.call('LRANGE', infos, first, first + tonumber(ARGV[6]) - 1)
local count, bytes = 0, 0
for _, info in ipairs(costs) do
  bytes = bytes + tonumber(string.match(info, ' (%d+)'))
  if count > 0 and bytes > tonumber(ARGV[7]) then break end
  count = count + 1
end
return redis.call('LRANGE', events, first, first + count - 1)
