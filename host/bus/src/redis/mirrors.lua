-- Says how far a host's file holds the log, and who else follows it: what the log is kept for.
--
-- KEYS  meta, mirrors (node -> 'POSITION SEEN')
-- ARGV  1 node; 2 up to which position its file holds the log; 3 how many ms a host that is gone is waited for; then the others that this
--       one knows of, each with what it knows: a server that was emptied, or came back from an old copy, may have forgotten them
-- Gives {'EMPTY'} where no deployment lives, else {'OK'} and behind it what is in mirrors
local meta, mirrors = unpack(KEYS)
if redis.call('HEXISTS', meta, 'lineage') == 0 then return {'EMPTY'} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for at = 4, #ARGV, 2 do redis.call('HSETNX', mirrors, ARGV[at], ARGV[at + 1]) end
redis.call('HSET', mirrors, ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))

local answer = {'OK'}
local stored = redis.call('HGETALL', mirrors)
for at = 1, #stored, 2 do
  local seen = string.match(stored[at + 1], '^%d+ (%d+)$')
  if not seen or tonumber(seen) + tonumber(ARGV[3]) < now then
    redis.call('HDEL', mirrors, stored[at])
  else
    answer[#answer + 1] = stored[at]
    answer[#answer + 1] = stored[at + 1]
  end
end
return answer
