-- ARGV[3]: the level
if not used() then return 'gone' end
redis.call('HSET', KEYS[1], 'level', ARGV[3])
return 'done'
