-- KEYS[1]: the record. ARGV: facts, tenant, key, milliseconds unused, milliseconds in all.
-- Returns when it began, or nothing when it has ended before.
if redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return false end
local at = now()
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'facts', ARGV[1], 'tenant', ARGV[2], 'key', ARGV[3],
  'begun', at, 'used', moment(), 'listed', at)
redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[4]), tonumber(ARGV[5])))
return at
