-- Says that a deployment lives here from now on, with the log that was brought for it. What the host that brought it did not hold yet,
-- others may: that is a break.
--
-- KEYS  meta, log, breaks, log that was brought
-- ARGV  1 the last position it has given, '0' when it is new; 2 its lineage; 3 up to which position the host held everything; 4 up
--       to which position the log was not brought; then the breaks of before that the host knows
local meta, log, breaks, brought = unpack(KEYS)
local time = redis.call('TIME')
local founded = time[1] .. '.' .. time[2]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/' .. founded
if redis.call('HSETNX', meta, 'lineage', ARGV[2]) == 1 then
  redis.call('HSET', meta, 'run', run, 'founded', founded, 'seq', ARGV[1], 'trimmed', ARGV[4])
  if redis.call('EXISTS', brought) == 1 then redis.call('RENAME', brought, log) end
  for at = 5, #ARGV do redis.call('RPUSH', breaks, ARGV[at]) end
  if ARGV[1] ~= '0' then redis.call('RPUSH', breaks, run .. ' ' .. ARGV[3] .. ' ' .. ARGV[1] .. ' filled') end
  -- Whoever follows the log learns from it how far there is nothing to come.
  redis.call('XADD', log, ARGV[1] .. '-1', 'o', '@/')
end
return {'OK'}
