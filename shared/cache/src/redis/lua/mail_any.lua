-- ARGV: …, what a name begins with. Whether such a one is open.
for _, name in ipairs(redis.call('HKEYS', names)) do
  if string.sub(name, 1, #ARGV[2]) == ARGV[2] and lead(name) then return 1 end
end
return 0
