-- An owner's offset and state, both as of one moment.
--
-- KEYS  meta, owners, state of this owner
-- ARGV  1 owner
-- Gives {'EMPTY'} where no deployment lives, else {'OK', offset ('' for none), flat list of keys and values}
if redis.call('HEXISTS', KEYS[1], 'lineage') == 0 then return {'EMPTY'} end
return {'OK', redis.call('HGET', KEYS[2], ARGV[1]) or '', redis.call('HGETALL', KEYS[3])}
