-- A list of living sessions. KEYS[1]: by when they count as gone. KEYS[2]: by their beginning.
-- ARGV: session, when it began, milliseconds it counts without a word, the most there may be.
-- Returns those that began first and are too many; at most 16 at once.
local at = now()
for _, key in ipairs({ 1, 2 }) do keep(KEYS[key], tonumber(ARGV[3])) end
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at, 'LIMIT', 0, 256)
if #gone > 0 then
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('ZREM', KEYS[2], unpack(gone))
end
redis.call('ZADD', KEYS[1], at + ARGV[3], ARGV[1])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) == false then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
end
for _, key in ipairs({ 1, 2 }) do keep(KEYS[key], tonumber(ARGV[3])) end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over <= 0 then return {} end
local out, first = {}, redis.call('ZRANGE', KEYS[2], 0, math.min(over, 16))
for _, id in ipairs(first) do
  if id ~= ARGV[1] and #out < over then
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    out[#out + 1] = id
  end
end
return out
