-- ARGV: …, the URI
if not used() then return 'gone' end
local left = {}
each(redis.call('HGET', KEYS[1], 'uris') or '', function(other)
  if other ~= ARGV[3] then left[#left + 1] = #other .. ':' .. other end
end)
redis.call('HSET', KEYS[1], 'uris', table.concat(left))
return 'done'
