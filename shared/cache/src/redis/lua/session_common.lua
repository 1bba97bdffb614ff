-- KEYS[1]: the record. ARGV[1] and ARGV[2]: milliseconds unused, milliseconds in all.
-- Whether the session lives; its idle time starts anew.
local at = now()
local function used()
  local facts = redis.call('HMGET', KEYS[1], 'begun', 'ended')
  if not facts[1] or facts[2] then return nil end
  local left = facts[1] + ARGV[2] - at
  if left <= 0 then
    redis.call('DEL', KEYS[1])
    return nil
  end
  redis.call('HSET', KEYS[1], 'used', moment())
  redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[1]), left))
  return facts[1]
end

