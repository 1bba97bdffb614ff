local all = redis.call('ZRANGE', order, 0, -1)
for _, id in ipairs(all) do drop(id) end
redis.call('DEL', order, standalone)
return all
