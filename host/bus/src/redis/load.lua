-- An owner's offset and state, both as of one moment.
--
-- KEYS  meta, owners, state of this owner
-- ARGV  1 owner; 2 the process whose losses are made good
-- Gives {'EMPTY'} where no deployment lives, {'OTHER'} where it was lost and brought again since the host asked, else {'OK', offset ('' for
--       none), flat list of keys and values}
local run = redis.call('HGET', KEYS[1], 'run')
if not run then return {'EMPTY'} end
-- Whoever filled the server since may not have known this owner, and it would begin anew.
if run ~= ARGV[2] then return {'OTHER'} end
return {'OK', redis.call('HGET', KEYS[2], ARGV[1]) or '', redis.call('HGETALL', KEYS[3])}
