-- One command of those that fill an empty server.
--
-- KEYS  lock, meta, then those of the command
-- ARGV  1 the lock; 2 for how many milliseconds more; 3 the command; then its arguments behind the keys
-- Gives {'OK'}, or {'LOST'} where this host fills the server no more
if not is_founder() then return {'LOST'} end
local arguments = {}
for at = 3, #KEYS do arguments[#arguments + 1] = KEYS[at] end
for at = 4, #ARGV do arguments[#arguments + 1] = ARGV[at] end
redis.call(ARGV[3], unpack(arguments))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'OK'}
