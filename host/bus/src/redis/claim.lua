-- Takes the lock under which one host fills an empty server. A lock of its own is one that it left behind when it was killed.
--
-- KEYS  lock, meta
-- ARGV  1 the lock, 'NODE RUN//TIME'; 2 for how many milliseconds
-- Gives {'OK'}, {'KNOWN'} where a deployment lives by now, or {'HELD'} by another host
local function node(lock) return string.match(lock, '^(.*) [^ ]*$') end
if redis.call('HEXISTS', KEYS[2], 'lineage') == 1 then return {'KNOWN'} end
local holder = redis.call('GET', KEYS[1])
if holder and node(holder) ~= node(ARGV[1]) then return {'HELD'} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'OK'}
