-- ARGV: stream, number of the last event that was read, milliseconds it lives unread. Returns
-- the reader's turn, and whether the session's messages without a request go here.
local id, after = ARGV[3], tonumber(ARGV[4])
local stream, events = parts(id)
local facts = redis.call('HMGET', stream, 'last', 'ended', 'node')
if not facts[1] then return false end
local wanted = tonumber(facts[1]) - after
if wanted < 0 or wanted > redis.call('LLEN', events) then return false end
local turn = redis.call('HINCRBY', stream, 'turn', 1)
redis.call('HSET', stream, 'node', ARGV[2], 'owner', ARGV[2])
if not facts[2] then live(id, tonumber(ARGV[5])) end
tell(facts[3], id)
return { turn, redis.call('GET', standalone) == id and 1 or 0 }
