#!lua flags=allow-oom
-- Gives back everything a host holds, and forgets the host. Not that of a younger process of the same name.
--
-- KEYS  leases, nodes
-- ARGV  1 node; 2 its incarnation
local is_read, node = pcall(cjson.decode, redis.call('HGET', KEYS[2], ARGV[1]) or '')
if not is_read or node.incarnation ~= tonumber(ARGV[2]) then return 'OK' end
local stored = redis.call('HGETALL', KEYS[1])
for at = 1, #stored, 2 do
  if string.match(stored[at + 1], '^(.*)/%d+$') == ARGV[1] then redis.call('HDEL', KEYS[1], stored[at]) end
end
redis.call('HDEL', KEYS[2], ARGV[1])
return 'OK'
