-- KEYS run, events, results, session, turns. ARGV turn, its number of messages of user and assistant, how many of those
-- are kept, lifetime, then a checkpoint. Whether the run has not passed to another owner.
local turn, spoken, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local life, run_id = lifetime(4), ARGV[8]
if not save(KEYS[1], KEYS[2], KEYS[3], life, 8) then
  return 0
end
redis.call('HSET', KEYS[1], 'lease_until', life.lease_until, 'expires_at', life.run_and_session_until)
for part = 1, 3 do
  keep_only(KEYS[part], life.seconds)
end
local holder, expires_at, history_expires_at, counted =
  unpack(redis.call('HMGET', KEYS[4], 'busy_with', 'expires_at', 'history_expires_at', 'spoken'))
if holder ~= run_id or tonumber(expires_at) <= life.now then
  return 1
end
if forget_expired(KEYS[4], KEYS[5], history_expires_at, life.now) then
  counted = ''
end
redis.call('HSET', KEYS[4], 'busy_with', '',
  'expires_at', life.run_and_session_until, 'history_expires_at', life.history_until)
keep_only(KEYS[4], life.seconds)
if turn ~= '' then
  redis.call('RPUSH', KEYS[5], turn)
  -- The numbers of the turns that are kept, oldest first; the latest is kept however long it is.
  local counts, said = {}, 0
  for count in string.gmatch((counted or '') .. ' ' .. spoken, '%d+') do
    counts[#counts + 1] = count
    said = said + tonumber(count)
  end
  local first = 1
  while said > most and first < #counts do
    said = said - tonumber(counts[first])
    first = first + 1
    redis.call('LPOP', KEYS[5])
  end
  redis.call('HSET', KEYS[4], 'spoken', table.concat(counts, ' ', first))
end
keep_only(KEYS[5], life.history_seconds)
return 1
