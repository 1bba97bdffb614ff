-- ARGV: stream, milliseconds it is kept
close(ARGV[3], tonumber(ARGV[4]))
return 1
