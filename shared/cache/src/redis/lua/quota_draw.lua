-- KEYS[1]: what is used of the window of now. ARGV: milliseconds of the window, the most in it, what
-- was used without asking, what is wanted. Returns what is granted, and the milliseconds until the
-- window ends.
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent, wanted, at = tonumber(ARGV[3]), tonumber(ARGV[4]), now()
local left = window - at % window
local used = tonumber(redis.call('GET', KEYS[1]) or '0') + spent
local granted = math.max(0, math.min(wanted, most - used))
redis.call('SET', KEYS[1], string.format('%.0f', used + granted), 'PX', string.format('%.0f', left))
return {granted, left}
