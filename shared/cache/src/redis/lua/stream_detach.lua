-- ARGV: stream, turn, milliseconds it lives unread
local stream = parts(ARGV[3])
local facts = redis.call('HMGET', stream, 'turn', 'ended')
if facts[1] and tonumber(facts[1]) == tonumber(ARGV[4]) then
  redis.call('HDEL', stream, 'node')
  if not facts[2] then live(ARGV[3], tonumber(ARGV[5])) end
end
return 1
