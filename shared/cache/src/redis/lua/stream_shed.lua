-- Drops oldest events until that many bytes are gone. ARGV: stream, bytes. Returns what is left.
local stream = parts(ARGV[3])
local bytes = tonumber(redis.call('HGET', stream, 'bytes') or 0)
local goal = bytes - tonumber(ARGV[4])
local left = trim(ARGV[3], bytes, function(_, bytes) return bytes > goal end)
if left ~= bytes then redis.call('HSET', stream, 'bytes', left) end
return left
