-- Says that a deployment lives here from now on.
--
-- KEYS  meta, log
-- ARGV  1 the last position it has given; 2 its lineage
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('HSETNX', KEYS[1], 'lineage', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'run', run, 'seq', ARGV[1])
  -- Whoever follows the log learns from it how far there is nothing to come.
  redis.call('XADD', KEYS[2], ARGV[1] .. '-1', 'o', '@/')
end
return {'OK'}
