-- Brings an owner that the server does not know, or knows less of, with all it remembers, or changes nothing. Every host learns of it
-- from the log.
--
-- KEYS  meta, log, owners, state of this owner
-- ARGV  1 owner; 2 its offset; 3 whether a lower one that is there gives way ('1'); 4 the process that this host makes good what it lost
--       to; then keys and values of its state
-- Gives {'OTHER'} where no deployment lives, or another one since the host asked, else {'OK'}
local meta, log, owners, state = unpack(KEYS)
-- What fits on Lua's stack, with room to spare.
local MOST_ARGUMENTS = 4000
local known = redis.call('HMGET', meta, 'run', 'seq')
if known[1] ~= ARGV[4] then return {'OTHER'} end
local there = redis.call('HGET', owners, ARGV[1])
if there and (ARGV[3] ~= '1' or tonumber(there) >= tonumber(ARGV[2])) then return {'OK'} end
redis.call('HSET', owners, ARGV[1], ARGV[2])
redis.call('UNLINK', state)
local fields = {'o', ARGV[1], 'c', ''}
for from = 5, #ARGV, MOST_ARGUMENTS do
  local to = math.min(from + MOST_ARGUMENTS - 1, #ARGV)
  redis.call('HSET', state, unpack(ARGV, from, to))
  for at = from, to, 2 do
    fields[#fields + 1] = 'p' .. ARGV[at]
    fields[#fields + 1] = ARGV[at + 1]
  end
  -- The last part has the offset.
  if to < #ARGV then
    redis.call('XADD', log, known[2] .. '-*', unpack(fields))
    fields = {'o', ARGV[1]}
  end
end
fields[#fields + 1] = 'f'
fields[#fields + 1] = ARGV[2]
redis.call('XADD', log, known[2] .. '-*', unpack(fields))
return {'OK'}
