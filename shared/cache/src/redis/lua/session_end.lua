-- Leaves a tombstone for as long as the session could have lived. ARGV: …
-- Returns tenant and key of a session that lived, an empty list when there is only the stone,
-- and nothing for one that was never heard of.
local facts = redis.call('HMGET', KEYS[1], 'ended', 'tenant', 'key')
if facts[1] then return {} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if not facts[2] then return {} end
return { facts[2], facts[3] }
