-- Says that a deployment lives here from now on. What the host that brought it did not hold yet, others may: that is a break.
--
-- KEYS  meta, log, breaks
-- ARGV  1 the last position it has given, '0' when it is new; 2 its lineage; 3 up to which position the host held everything
local time = redis.call('TIME')
local founded = time[1] .. '.' .. time[2]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/' .. founded
if redis.call('HSETNX', KEYS[1], 'lineage', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'run', run, 'founded', founded, 'seq', ARGV[1])
  if ARGV[1] ~= '0' then redis.call('RPUSH', KEYS[3], run .. ' ' .. ARGV[3] .. ' ' .. ARGV[1]) end
  -- Whoever follows the log learns from it how far there is nothing to come.
  redis.call('XADD', KEYS[2], ARGV[1] .. '-1', 'o', '@/')
end
return {'OK'}
