-- Appends records to a plain stream, each once.
--
-- KEYS  stream, how far it is published
-- ARGV  1 how many entries the stream keeps, about; then for each record its position, how many fields, names and values
local published = tonumber(redis.call('GET', KEYS[2]) or 0)
local at = 2
while at < #ARGV do
  local position, fields = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if position > published then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 2, at + 1 + 2 * fields))
    published = position
  end
  at = at + 2 + 2 * fields
end
redis.call('SET', KEYS[2], string.format('%.0f', published))
return string.format('%.0f', published)
