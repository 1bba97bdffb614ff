-- ARGV: …, mailbox, id of the last message that has arrived, how many more there is room for.
-- Returns ids and messages, and whether there are more.
local queue = KEYS[1] .. 'q:' .. ARGV[2]
if ARGV[3] ~= '0-0' then
  -- What has arrived is forgotten; asking twice loses nothing and repeats nothing.
  for _, entry in ipairs(redis.call('XRANGE', queue, '-', ARGV[3])) do
    redis.call('XDEL', queue, entry[1])
  end
end
local found = {}
for _, entry in ipairs(redis.call('XRANGE', queue, '-', '+', 'COUNT', ARGV[4])) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][2]
end
return found
