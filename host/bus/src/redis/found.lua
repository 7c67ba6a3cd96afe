-- Says that a deployment lives here from now on, with the log that was brought for it. What the host that brought it did not hold yet,
-- others may: that is a break.
--
-- KEYS  lock, meta, log, breaks, log that was brought
-- ARGV  1 the lock; 2 the highest position the host knows of: it goes on at the server's time in microseconds, so that whoever filled a
--       server before, and from whatever, used other positions; '' when it is new; 3 its lineage; 4 up to which position the host held
--       everything; 5 up to which position the log was not brought; 6 how many positions are left out where the clock is behind; then
--       the breaks of before that the host knows
-- Gives {'OK'}, or {'LOST'} where this host fills the server no more: what it brought may be gone in part
if not is_founder() then return {'LOST'} end
local lock, meta, log, breaks, brought = unpack(KEYS)
local time = redis.call('TIME')
local founded = time[1] .. '.' .. time[2]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/' .. founded
local seq = '0'
if ARGV[2] ~= '' then
  local last, micros = tonumber(ARGV[2]), tonumber(time[1]) * 1000000 + tonumber(time[2])
  seq = string.format('%.0f', micros > last and micros or last + tonumber(ARGV[6]))
end
redis.call('HSET', meta, 'lineage', ARGV[3], 'run', run, 'founded', founded, 'seq', seq, 'trimmed', ARGV[5])
if redis.call('EXISTS', brought) == 1 then redis.call('RENAME', brought, log) end
for at = 7, #ARGV do redis.call('RPUSH', breaks, ARGV[at]) end
if seq ~= '0' then redis.call('RPUSH', breaks, run .. ' ' .. ARGV[4] .. ' ' .. seq .. ' filled') end
-- Whoever follows the log learns from it how far there is nothing to come.
redis.call('XADD', log, seq .. '-1', 'o', '@/')
redis.call('DEL', lock)
return {'OK'}
