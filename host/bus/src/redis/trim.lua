-- Lets go of what everybody has: what every host has taken over into its file, and every stage has read.
--
-- KEYS  log, meta, readers (owner -> offset), mirrors (node -> 'POSITION SEEN')
-- ARGV  1 node; 2 up to which position its file holds the log; 3 how many positions stay though everybody has them;
--       4 how many ms a host that is gone is waited for; 5 how many entries are too many to wait for it
-- Gives {'EMPTY'}, or {'OK', position up to which the log is gone, 1 where a host that is gone was not waited for}, and behind these what
-- is left of mirrors
local log, meta, readers, mirrors = unpack(KEYS)
if redis.call('HEXISTS', meta, 'lineage') == 0 then return {'EMPTY'} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', mirrors, ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))

local answer = {'OK', '', 0}
local read, held = math.huge, math.huge
local stored = redis.call('HGETALL', readers)
for at = 2, #stored, 2 do read = math.min(read, tonumber(stored[at])) end
stored = redis.call('HGETALL', mirrors)
for at = 1, #stored, 2 do
  local position, seen = string.match(stored[at + 1], '^(%d+) (%d+)$')
  if not seen or tonumber(seen) + tonumber(ARGV[4]) < now then
    redis.call('HDEL', mirrors, stored[at])
  else
    held = math.min(held, tonumber(position))
    answer[#answer + 1] = stored[at]
    answer[#answer + 1] = stored[at + 1]
  end
end
local is_forced = held < read and redis.call('XLEN', log) > tonumber(ARGV[5])
local position = (is_forced and read or math.min(read, held)) - tonumber(ARGV[3])
local gone = tonumber(redis.call('HGET', meta, 'trimmed') or 0)
if position > gone and position < math.huge then
  redis.call('XTRIM', log, 'MINID', string.format('%.0f-0', position + 1))
  redis.call('HSET', meta, 'trimmed', string.format('%.0f', position))
  gone = position
  answer[3] = is_forced and 1 or 0
end
answer[2] = string.format('%.0f', gone)
return answer
