-- Drops a stream that has ended or that nobody reads. ARGV: stream
local facts = redis.call('HMGET', parts(ARGV[3]), 'last', 'ended', 'node')
if not facts[1] then return 1 end
if not facts[2] and facts[3] then return 0 end
drop(ARGV[3])
return 1
