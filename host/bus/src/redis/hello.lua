-- Whether the server is the process that hosts know. A server that was started again, or promoted, may have lost its last
-- writes; positions then go on at the server's time in microseconds, which no log gets ahead of, so that no position is ever given
-- twice, whatever became of it in between.
--
-- KEYS  meta, breaks, log
-- ARGV  1 how many positions are left out where the clock is behind; 2 the highest position this host knows of
-- Gives {'EMPTY', a lineage for a new one} where no deployment lives, else {'OK', run, last position, breaks, lineage, position up to which the log is gone}; a break is 'RUN SURVIVED RESUMED', and ' filled' where a host brought everything: the
-- process, the last position it had kept, and the one behind which it goes on.
local meta, breaks, log = unpack(KEYS)
local MOST_BREAKS = 1000
local known = redis.call('HMGET', meta, 'lineage', 'run', 'seq', 'founded')
-- A process that was emptied and filled again is another one, as far as what it still has goes.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/' .. (known[4] or '')
local time = redis.call('TIME')
if not known[1] then
  return {'EMPTY', run .. '/' .. time[1] .. '.' .. time[2]}
end
local seq, seen = tonumber(known[3]), tonumber(ARGV[2])
if known[2] ~= run or seq < seen then
  local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local last = math.max(seq, seen)
  -- A clock that is behind what was given already says nothing of what else was.
  local resumed = string.format('%.0f', micros > last and micros or last + tonumber(ARGV[1]))
  redis.call('RPUSH', breaks, run .. ' ' .. known[3] .. ' ' .. resumed)
  redis.call('LTRIM', breaks, -MOST_BREAKS, -1)
  redis.call('HSET', meta, 'run', run, 'seq', resumed)
  -- Whoever follows the log learns from it how far there is nothing to come.
  redis.call('XADD', log, resumed .. '-0', 'o', '@/')
end
return {'OK', run, redis.call('HGET', meta, 'seq'), redis.call('LRANGE', breaks, 0, -1), known[1], redis.call('HGET', meta, 'trimmed') or '0'}
