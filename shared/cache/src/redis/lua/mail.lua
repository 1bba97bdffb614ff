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

-- Names and messages in turn, for which there was nobody.
local left = KEYS[1] .. 'l'

-- Keeps a message for whoever will have the name. Beyond so many the oldest goes.
local function leave(name, message, most, ttl)
  redis.call('RPUSH', left, name, message)
  redis.call('LTRIM', left, -2 * most, -1)
  redis.call('PEXPIRE', left, ttl)
end

-- Puts what was left for these names into the mailbox that has them now.
local function collect(mine, node, mailbox, most, ttl)
  local all = redis.call('LRANGE', left, 0, -1)
  local rest, lives = {}, redis.call('PTTL', left)
  for place = 1, #all, 2 do
    local name, message = all[place], all[place + 1]
    if not mine[name] or not post(node, mailbox, message, most, ttl) then
      rest[#rest + 1] = name
      rest[#rest + 1] = message
    end
  end
  if #rest == #all then return end
  redis.call('DEL', left)
  if #rest > 0 then
    redis.call('RPUSH', left, unpack(rest))
    redis.call('PEXPIRE', left, lives)
  end
end

