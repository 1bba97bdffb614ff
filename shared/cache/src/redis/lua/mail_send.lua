-- ARGV: …, node that asks, name, message, messages of a mailbox, milliseconds it is kept, whether it
-- waits where nobody has the name.
-- Returns the mailbox when it is the asking node's own, 1 when the message is on its way to
-- another or waits, 0 when there is no room, and nothing when nobody has the name.
local node, mailbox = lead(ARGV[3])
if not node then
  if ARGV[7] ~= '1' then return false end
  leave(ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
  return 1
end
if node == ARGV[2] then return mailbox end
return post(node, mailbox, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])) and 1 or 0
