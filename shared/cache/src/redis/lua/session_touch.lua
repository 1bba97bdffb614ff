-- Returns facts, level, subscriptions; and, when the lists shall be told that the session lives,
-- its tenant, its key and when it began.
if not used() then return false end
local facts = redis.call('HMGET', KEYS[1], 'facts', 'level', 'uris', 'listed', 'tenant', 'key', 'begun')
local found = { facts[1], facts[2], facts[3] or '' }
if at - facts[4] >= ARGV[1] / 4 then
  redis.call('HSET', KEYS[1], 'listed', at)
  found[4], found[5], found[6] = facts[5], facts[6], facts[7]
end
return found
