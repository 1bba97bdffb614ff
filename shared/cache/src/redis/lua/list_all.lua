-- The list of all sessions. KEYS[1]: by when they count as gone. ARGV: session, milliseconds it
-- counts without a word, the most there may be. Returns those that may be the least lately used
-- when there are too many.
local at = now()
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at, 'LIMIT', 0, 256)
if #gone > 0 then redis.call('ZREM', KEYS[1], unpack(gone)) end
redis.call('ZADD', KEYS[1], at + ARGV[2], ARGV[1])
keep(KEYS[1], tonumber(ARGV[2]))
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over <= 0 then return { 0 } end
local found = redis.call('ZRANGE', KEYS[1], 0, 15)
table.insert(found, 1, over)
return found
