-- ARGV: …, node that asks, message, messages of a mailbox, milliseconds it is kept. Returns the
-- mailboxes of the asking node.
local seen, own = {}, {}
for _, name in ipairs(redis.call('HKEYS', names)) do
  local node, mailbox = lead(name)
  if node and not seen[mailbox] then
    seen[mailbox] = true
    if node == ARGV[2] then
      own[#own + 1] = mailbox
    else
      post(node, mailbox, ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
    end
  end
end
return own
