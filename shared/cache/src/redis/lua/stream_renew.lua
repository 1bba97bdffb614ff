-- ARGV: stream, turn, milliseconds it lives unread. Returns the number of the last event, or
-- nothing to a reader whose turn is over.
local stream = parts(ARGV[3])
local facts = redis.call('HMGET', stream, 'turn', 'ended', 'last')
if not facts[1] or tonumber(facts[1]) ~= tonumber(ARGV[4]) then return false end
if not facts[2] then live(ARGV[3], tonumber(ARGV[5])) end
return tonumber(facts[3])
