-- ARGV: …, the connector in 32 digits, connectors. They are written one behind the other.
if not used() then return 'gone' end
local text = redis.call('HGET', KEYS[1], 'called') or ''
for from = 1, #text, 32 do
  if string.sub(text, from, from + 31) == ARGV[3] then return 'done' end
end
if #text >= 32 * ARGV[4] then return 'full' end
redis.call('HSET', KEYS[1], 'called', text .. ARGV[3])
return 'done'
