-- A sliding window from two fixed ones. KEYS[1]: the counter. ARGV: milliseconds of the window,
-- the most in it. Returns 0 when it was counted, else the milliseconds until one more may be.
local window, most, at = tonumber(ARGV[1]), tonumber(ARGV[2]), now()
local current = math.floor(at / window)
local facts = redis.call('HMGET', KEYS[1], 'window', 'count', 'before')
local count, before = 0, 0
if facts[1] and tonumber(facts[1]) == current then
  count, before = tonumber(facts[2]), tonumber(facts[3])
elseif facts[1] and tonumber(facts[1]) == current - 1 then
  before = tonumber(facts[2])
end
local passed = at - current * window
local weighed = before * (window - passed) / window
if count + weighed + 1 > most then
  if count + 1 > most or before == 0 then return math.max(1, window - passed) end
  return math.max(1, math.ceil(window - passed - (most - count - 1) * window / before))
end
redis.call('HSET', KEYS[1], 'window', current, 'count', count + 1, 'before', before)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return 0
