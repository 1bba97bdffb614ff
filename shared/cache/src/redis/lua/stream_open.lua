-- ARGV: stream, milliseconds it lives unread, streams of a session
local id, unread, most = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
drop(id)
if redis.call('ZCARD', order) >= most then
  local ended, unwatched, living = nil, nil, 0
  for _, other in ipairs(redis.call('ZRANGE', order, 0, -1)) do
    local facts = redis.call('HMGET', parts(other), 'last', 'ended', 'node')
    if not facts[1] then
      redis.call('ZREM', order, other)
    else
      living = living + 1
      if facts[2] then
        ended = ended or other
      elseif not facts[3] then
        unwatched = unwatched or other
      end
    end
  end
  local goes = ended or unwatched
  if living >= most and goes then drop(goes) end
end
local last = redis.call('ZREVRANGE', order, 0, 0, 'WITHSCORES')[2]
redis.call('ZADD', order, (last or 0) + 1, id)
redis.call('HSET', parts(id), 'last', 0, 'bytes', 0, 'turn', 0)
live(id, unread)
return 1
