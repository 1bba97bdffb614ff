-- KEYS[1] begins the names of all keys of one session. ARGV[1] begins the names of the nodes'
-- channels. A name leads to `<node> <mailbox> <until when>`.
local names = KEYS[1] .. 'm'
local at = now()
local function lead(name)
  local text = redis.call('HGET', names, name)
  if not text then return nil end
  local node, mailbox, till = string.match(text, '(%S+) (%S+) (%d+)')
  if tonumber(till) < at then
    redis.call('HDEL', names, name)
    return nil
  end
  return node, mailbox
end

-- Puts a message into a mailbox of another node; false when that is full.
local function post(node, mailbox, message, most, ttl)
  local queue = KEYS[1] .. 'q:' .. mailbox
  if redis.call('XLEN', queue) >= most then return false end
  redis.call('XADD', queue, '*', 'm', message)
  redis.call('PEXPIRE', queue, ttl)
  redis.call('PUBLISH', ARGV[1] .. node, 'm' .. mailbox)
  return true
end

