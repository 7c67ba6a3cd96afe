-- One commit: everything a step changed, or nothing. The only way in which the log grows.
--
-- KEYS  log, meta, owners, state of this owner, ids, ids of before, leases, readers
-- ARGV  1 highest position the host knows of, and the process whose losses it has made good; 2 partition ('' for an owner of
--       the host's own); 3 its token;
--       4 owner; 5 expected offset ('' for none); 6 offset ('' when only records are added: nothing is then expected);
--       7 how many ids are remembered before the older half is let go; 8 whether the owner reads the log, whose offset is
--       then a position ('1'); 9 the ids of the records, 16 bytes each; 10 how many packs; then the packs, which hold the records;
--       then pairs of what changes in the state: 'p' key, value | 'd' key, '' | 'c', ''
-- Gives {'OK', last position, records appended, id of the entry}, or why nothing changed:
--       {'EMPTY'}, {'REGRESSED', last position}, {'FENCED', token}, {'CONFLICT', offset found}
local log, meta, owners, state, ids, ids_before, leases, readers = unpack(KEYS)
local owner, offset = ARGV[4], ARGV[6]
local all_ids, first_pack, packs = ARGV[9], 11, tonumber(ARGV[10])
local records, first_change = #all_ids / 16, first_pack + packs
-- What fits on Lua's stack, with room to spare.
local MOST_ARGUMENTS = 4000

local known = redis.call('HMGET', meta, 'lineage', 'seq', 'run')
if not known[1] then return {'EMPTY'} end
local seq = tonumber(known[2])
-- What is older than this commit comes first: whoever has not asked another process what it lost does so before.
local seen, run = string.match(ARGV[1], '^(%d+) (.*)$')
if seq < tonumber(seen) or run ~= known[3] then return {'REGRESSED', known[2]} end
if ARGV[2] ~= '' then
  local token = redis.call('HGET', leases, ARGV[2])
  if token ~= ARGV[3] then return {'FENCED', token or ''} end
end
if offset ~= '' then
  local found = redis.call('HGET', owners, owner) or ''
  if found ~= ARGV[5] then return {'CONFLICT', found} end
end

-- Which records are new: nearly always all of them, and then there is nothing to sort out. A full server refuses the first write, and then
-- nothing is half done.
local fresh, left_out = 0, {}
local is_before = redis.call('EXISTS', ids_before) == 1
local function has_any(flags)
  for at = 1, #flags do
    if flags[at] == 1 then return true end
  end
  return false
end
for from = 0, records - 1, MOST_ARGUMENTS do
  local names = {}
  for at = from, math.min(from + MOST_ARGUMENTS, records) - 1 do
    names[at - from + 1] = string.sub(all_ids, 16 * at + 1, 16 * at + 16)
  end
  local in_ids = redis.call('SMISMEMBER', ids, unpack(names))
  local in_before = is_before and redis.call('SMISMEMBER', ids_before, unpack(names))
  local added = 0
  if not has_any(in_ids) and not (in_before and has_any(in_before)) then
    added = redis.call('SADD', ids, unpack(names))
  end
  if added < #names then
    -- Some were known, or are in this commit twice; the first of those may have been added above.
    local here, add = {}, {}
    for at, name in ipairs(names) do
      if in_ids[at] == 0 and not (in_before and in_before[at] == 1) and not here[name] then
        here[name] = true
        add[#add + 1] = name
      else
        left_out[#left_out + 1] = struct.pack('<I4', from + at - 1)
      end
    end
    if #add > 0 then redis.call('SADD', ids, unpack(add)) end
    added = #add
  end
  fresh = fresh + added
end

-- Packs stay as they came: what is known already is named beside them. All are in the first part of a large commit, whose
-- other parts have its position.
seq = seq + fresh
local entry_id
local fields = {'o', owner}
local function put(name, value)
  if #fields >= MOST_ARGUMENTS then
    redis.call('XADD', log, string.format('%.0f-*', seq), unpack(fields))
    fields = {'o', owner}
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if fresh > 0 then
  for at = first_pack, first_change - 1 do put('r', ARGV[at]) end
  if #left_out > 0 then put('x', table.concat(left_out)) end
end
for at = first_change, #ARGV, 2 do put(ARGV[at], ARGV[at + 1]) end
if offset ~= '' then put('f', offset) end
if offset ~= '' or fresh > 0 then
  entry_id = redis.call('XADD', log, string.format('%.0f-*', seq), unpack(fields))
  redis.call('HSET', meta, 'seq', string.format('%.0f', seq))
end

if offset ~= '' then
  redis.call('HSET', owners, owner, offset)
  if ARGV[8] == '1' then redis.call('HSET', readers, owner, offset) end
  local puts = {}
  local function flush()
    if #puts > 0 then redis.call('HSET', state, unpack(puts)) end
    puts = {}
  end
  for at = first_change, #ARGV, 2 do
    local what, key = string.sub(ARGV[at], 1, 1), string.sub(ARGV[at], 2)
    if what == 'p' then
      puts[#puts + 1] = key
      puts[#puts + 1] = ARGV[at + 1]
      if #puts >= MOST_ARGUMENTS then flush() end
    else
      flush()
      if what == 'd' then redis.call('HDEL', state, key) else redis.call('UNLINK', state) end
    end
  end
  flush()
end

if fresh > 0 and redis.call('SCARD', ids) > tonumber(ARGV[7]) then
  redis.call('RENAME', ids, ids_before)
end
return {'OK', string.format('%.0f', seq), fresh, entry_id or ''}
