-- KEYS[1] begins the names of all keys of one session. ARGV[1] begins the names of the nodes'
-- channels, ARGV[2] is the node that asks.
local base = KEYS[1]
local order, standalone = base .. 'z', base .. 'a'

-- What is known of a stream, its messages, and the time and cost of each of them.
local function parts(id)
  return base .. 's:' .. id, base .. 'e:' .. id, base .. 'i:' .. id
end

local function tell(node, id)
  if node and node ~= '' then redis.call('PUBLISH', ARGV[1] .. node, 's' .. id) end
end

-- Lets a stream live for that many milliseconds from now.
local function live(id, ms)
  local stream, events, infos = parts(id)
  redis.call('PEXPIRE', stream, ms)
  redis.call('PEXPIRE', events, ms)
  redis.call('PEXPIRE', infos, ms)
  keep(order, ms)
  if redis.call('GET', standalone) == id then keep(standalone, ms) end
end

local function drop(id)
  local stream, events, infos = parts(id)
  local node = redis.call('HGET', stream, 'node')
  redis.call('DEL', stream, events, infos)
  redis.call('ZREM', order, id)
  if redis.call('GET', standalone) == id then redis.call('DEL', standalone) end
  tell(node, id)
end

local function close(id, age)
  local stream = parts(id)
  local facts = redis.call('HMGET', stream, 'last', 'ended', 'node')
  if not facts[1] or facts[2] then return end
  redis.call('HSET', stream, 'ended', 1)
  live(id, age)
  tell(facts[3], id)
end

-- Drops oldest events while `must(count, bytes, oldest's time)` says so; returns the bytes left.
local function trim(id, bytes, must)
  local _, events, infos = parts(id)
  local count = redis.call('LLEN', infos)
  local gone = 0
  while count > gone do
    local info = redis.call('LINDEX', infos, gone)
    local at, cost = string.match(info, '(%d+) (%d+)')
    if not must(count - gone, bytes, tonumber(at)) then break end
    bytes = bytes - tonumber(cost)
    gone = gone + 1
  end
  if gone > 0 then
    redis.call('LTRIM', events, gone, -1)
    redis.call('LTRIM', infos, gone, -1)
  end
  return bytes
end

