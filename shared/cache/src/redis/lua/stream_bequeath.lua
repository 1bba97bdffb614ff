-- ARGV: stream, what is told when this node is gone before the stream ends
local stream = parts(ARGV[3])
if redis.call('HEXISTS', stream, 'last') == 0 then return 0 end
redis.call('HSET', stream, 'producer', ARGV[2], 'words', ARGV[4])
return 1
