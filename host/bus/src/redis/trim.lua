-- Lets go of what everybody has: what every host has taken over into its file, and every stage has read.
--
-- KEYS  log, meta, readers (owner -> offset), mirrors (node -> 'POSITION SEEN')
-- ARGV  1 how many positions stay though everybody has them; 2 how many entries are too many to wait for a host that is gone
-- Gives {'EMPTY'}, or {'OK', position up to which the log is gone, 1 where a host that is gone was not waited for}
local log, meta, readers, mirrors = unpack(KEYS)
if redis.call('HEXISTS', meta, 'lineage') == 0 then return {'EMPTY'} end
local read, held = math.huge, math.huge
local stored = redis.call('HGETALL', readers)
for at = 2, #stored, 2 do read = math.min(read, tonumber(stored[at])) end
stored = redis.call('HVALS', mirrors)
for _, value in ipairs(stored) do held = math.min(held, tonumber(string.match(value, '^(%d+) '))) end

local answer = {'OK', '', 0}
local is_forced = held < read and redis.call('XLEN', log) > tonumber(ARGV[2])
local position = (is_forced and read or math.min(read, held)) - tonumber(ARGV[1])
local gone = tonumber(redis.call('HGET', meta, 'trimmed') or 0)
if position > gone and position < math.huge then
  redis.call('XTRIM', log, 'MINID', string.format('%.0f-0', position + 1))
  redis.call('HSET', meta, 'trimmed', string.format('%.0f', position))
  gone = position
  answer[3] = is_forced and 1 or 0
end
answer[2] = string.format('%.0f', gone)
return answer
