-- ARGV: …, the URI, subscriptions, bytes of them
if not used() then return 'gone' end
local text, uri = redis.call('HGET', KEYS[1], 'uris') or '', ARGV[3]
local count, bytes, there = 0, 0, false
each(text, function(other)
  count, bytes, there = count + 1, bytes + #other, there or other == uri
end)
if there then return 'done' end
if count >= tonumber(ARGV[4]) or bytes + #uri > tonumber(ARGV[5]) then return 'full' end
redis.call('HSET', KEYS[1], 'uris', text .. #uri .. ':' .. uri)
return 'done'
