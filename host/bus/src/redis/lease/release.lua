#!lua flags=allow-oom
-- Gives partitions back. One that somebody else holds by now is left alone.
--
-- KEYS  leases
-- ARGV  pairs: partition, token
for at = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then redis.call('HDEL', KEYS[1], ARGV[at]) end
end
return 'OK'
