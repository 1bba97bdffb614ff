-- ARGV: …, node, mailbox, milliseconds until it must be opened again, names of one session,
-- whether it is new, messages of a mailbox, names…
-- A name that has gone to another mailbox stays there, unless this one is new.
local node, mailbox, ttl, most, new = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if redis.call('HLEN', names) >= most then
  for _, name in ipairs(redis.call('HKEYS', names)) do lead(name) end
end
local taken, mine = 0, {}
for place = 8, #ARGV do
  local _, other = lead(ARGV[place])
  local is_mine = new == '1' or not other or other == mailbox
  if is_mine and (other or redis.call('HLEN', names) < most) then
    redis.call('HSET', names, ARGV[place], node .. ' ' .. mailbox .. ' ' .. at + ttl)
    taken = taken + 1
    mine[ARGV[place]] = true
  end
end
keep(names, ttl)
collect(mine, node, mailbox, tonumber(ARGV[7]), ttl)
keep(KEYS[1] .. 'q:' .. mailbox, ttl)
return taken
