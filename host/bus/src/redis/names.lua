-- The names of all owners.
--
-- KEYS  meta, owners
-- ARGV  1 the process whose losses are made good
-- Gives {'OTHER'} where no deployment lives, or another one since the host asked, else {'OK', names}
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return {'OTHER'} end
return {'OK', redis.call('HKEYS', KEYS[2])}
