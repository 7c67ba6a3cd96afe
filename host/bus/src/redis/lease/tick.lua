#!lua flags=allow-oom
-- One tick of one host: says that it lives, drops what belongs to nobody who lives, takes its fair share of what is free,
-- and tells it what it holds. All of it at once, so that hosts never see each other half way.
--
-- Time is the server's alone. A lease has no end of its own: it holds as long as its holder is live, and the commit script
-- does not even ask for that: what fences is that the token is another one as soon as somebody else has taken over.
-- May write when the server is full: it is what lies in the log that fills it, and without leases nobody could go on.
--
-- KEYS  leases (partition -> NODE/EPOCH), nodes (node -> JSON), epoch
-- ARGV  1 node; 2 its incarnation ('' with its first tick); 3 roles of which it wants work ('watcher,guardian'); 4 how many ms
--       it lives from now; 5 watermark; 6 info; 7 how many ms a dead node is listed; then pairs: a role, its partitions
-- Gives {'OK', incarnation, now, held, surplus, free, nodes}: pairs of partition and token; the partitions above the share;
--       how many partitions of each role nobody holds, in their order; node, its JSON, 1 if it lives |
--       {'REPLACED'} while a younger process of this name lives
local leases_key, nodes_key, epoch_key = unpack(KEYS)
local me, incarnation, listed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- What another program wrote there is no node, and keeps nobody from ticking.
local function read_node(text)
  local is_read, node = pcall(cjson.decode, text)
  local is_node = is_read and type(node) == 'table' and type(node.ends) == 'number' and type(node.incarnation) == 'number'
  return is_node and type(node.roles) == 'string' and node or nil
end

local nodes = {}
local stored = redis.call('HGETALL', nodes_key)
for at = 1, #stored, 2 do
  local node = read_node(stored[at + 1])
  if node and node.ends + listed >= now then
    nodes[stored[at]] = node
  else
    redis.call('HDEL', nodes_key, stored[at])
  end
end

local known = nodes[me]
if known and incarnation and known.incarnation > incarnation then
  if known.ends >= now then return {'REPLACED'} end
  -- It did not live, and may never have: the first tick of a process that died can be late. This one begins anew.
  incarnation = nil
end

-- One number a tick. Above the time and above what this host knows of, so that it goes on rising where a failover lost the
-- counter.
local epoch
local function new_epoch()
  if not epoch then
    local last = math.max(tonumber(redis.call('GET', epoch_key) or 0) or 0, known and known.incarnation or 0, incarnation or 0)
    epoch = math.max(last + 1, now)
    redis.call('SET', epoch_key, string.format('%.0f', epoch))
  end
  return epoch
end

incarnation = incarnation or new_epoch()
local is_same_process = known and known.incarnation == incarnation
nodes[me] = {
  incarnation = incarnation, roles = ARGV[3], ends = now + ARGV[4], ttl = tonumber(ARGV[4]), watermark = ARGV[5], info = ARGV[6]
}
redis.call('HSET', nodes_key, me, cjson.encode(nodes[me]))

-- What an earlier process of this name held is free: it may have done half of something.
local holders, tokens, counts = {}, {}, {}
stored = redis.call('HGETALL', leases_key)
for at = 1, #stored, 2 do
  local partition, token = stored[at], stored[at + 1]
  local node = string.match(token, '^(.*)/%d+$')
  local holder = nodes[node]
  if holder and holder.ends >= now and (node ~= me or is_same_process) then
    holders[partition], tokens[partition] = node, token
    local counted = node .. '/' .. string.match(partition, '^%a*')
    counts[counted] = (counts[counted] or 0) + 1
  else
    redis.call('HDEL', leases_key, partition)
  end
end

-- The share of this host. Where partitions do not divide evenly, one more is for those who have more already, so that
-- nothing moves that need not, and then by name.
local function share(role, partitions)
  local sharers = {}
  for node, is in pairs(nodes) do
    if is.ends >= now and string.find(',' .. is.roles .. ',', ',' .. role .. ',', 1, true) then sharers[#sharers + 1] = node end
  end
  local least = math.floor(partitions / #sharers)
  local function has_more(node) return (counts[node .. '/' .. role] or 0) > least end
  table.sort(sharers, function(a, b)
    if has_more(a) ~= has_more(b) then return has_more(a) end
    return a < b
  end)
  for at, node in ipairs(sharers) do
    if node == me then return at <= partitions % #sharers and least + 1 or least end
  end
  return 0
end

local held, surplus, free = {}, {}, {}
for at = 8, #ARGV, 2 do
  local role, partitions = ARGV[at], tonumber(ARGV[at + 1])
  local mine, due, nobodys = 0, share(role, partitions), 0
  local taken = {}
  local count = counts[me .. '/' .. role] or 0
  for number = 0, partitions - 1 do
    local partition = string.format('%s:%02d', role, number)
    if not holders[partition] and count < due then
      holders[partition], tokens[partition] = me, string.format('%s/%.0f', me, new_epoch())
      taken[#taken + 1], taken[#taken + 2] = partition, tokens[partition]
      count = count + 1
    end
    if holders[partition] == me then
      mine = mine + 1
      held[#held + 1], held[#held + 2] = partition, tokens[partition]
      if mine > due then surplus[#surplus + 1] = partition end
    elseif not holders[partition] then
      nobodys = nobodys + 1
    end
  end
  if #taken > 0 then
    redis.call('HSET', leases_key, unpack(taken))
    -- What was taken over may be behind what this host told a moment ago.
    nodes[me].watermark = ''
    redis.call('HSET', nodes_key, me, cjson.encode(nodes[me]))
  end
  free[#free + 1] = nobodys
end

local listing = {}
for node, is in pairs(nodes) do
  listing[#listing + 1] = {node, cjson.encode(is), is.ends >= now and 1 or 0}
end
return {'OK', string.format('%.0f', incarnation), string.format('%.0f', now), held, surplus, free, listing}
