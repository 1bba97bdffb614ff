-- ARGV: …, mailbox, names…
for place = 3, #ARGV do
  local _, mailbox = lead(ARGV[place])
  if mailbox == ARGV[2] then redis.call('HDEL', names, ARGV[place]) end
end
redis.call('DEL', KEYS[1] .. 'q:' .. ARGV[2])
return 1
