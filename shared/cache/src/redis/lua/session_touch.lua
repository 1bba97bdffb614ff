-- Returns facts, level, subscriptions, connectors called; and, when the lists shall be told that the session lives,
-- its tenant, its key and when it began.
if not used() then return false end
local facts = redis.call('HMGET', KEYS[1],
  'facts', 'level', 'uris', 'called', 'listed', 'tenant', 'key', 'begun')
local found = { facts[1], facts[2], facts[3] or '', facts[4] or '' }
if at - facts[5] >= ARGV[1] / 4 then
  redis.call('HSET', KEYS[1], 'listed', at)
  found[5], found[6], found[7] = facts[6], facts[7], facts[8]
end
return found
