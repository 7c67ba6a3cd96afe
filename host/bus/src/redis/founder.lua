-- Who fills an empty server: put in front of the scripts that do it, each of which is one step of many. Between two of them the server
-- may be emptied, or come back without its last writes, and another host may fill it: then this one has nothing more to say there.
--
-- KEYS  lock, meta
-- ARGV  1 the lock as this host took it, 'NODE RUN//TIME'
local function is_founder()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return redis.call('GET', KEYS[1]) == ARGV[1]
    and string.match(ARGV[1], ' (%x+)//[%d.]+$') == run
    and redis.call('HEXISTS', KEYS[2], 'lineage') == 0
end
