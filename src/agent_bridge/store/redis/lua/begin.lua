-- KEYS session, turns, run, runs. ARGV run id, principal, created at, lifetime, then the fields of the run.
-- Said a second time, because the first answer was lost, it has begun.
local run_id, principal, created_at = unpack(ARGV, 1, 3)
local life = lifetime(4)
local turn = claim(KEYS[1], run_id, principal, life.now)
if not turn then
  return { 'unknown' }
end
if turn.is_contested then
  return { 'taken', turn.rival }
end
if turn.is_own and redis.call('EXISTS', KEYS[3]) == 1 then
  return { 'begun' }
end
local clock = redis.call('TIME')
local number = clock[1] .. string.format('%06d', clock[2])
take_turn(KEYS[1], KEYS[2], run_id, turn, life)
write_fields(KEYS[3], 8, #ARGV)
redis.call('HSET', KEYS[3], 'number', number, 'stamp', 0, 'lease_until', life.lease_until,
  'expires_at', life.run_and_session_until)
keep(KEYS[3], life.seconds)
for _, old in ipairs(redis.call('ZRANGE', KEYS[4], 0, 1)) do
  if redis.call('EXISTS', sibling_run(KEYS[1], string.match(old, ':(.*)'))) == 0 then
    redis.call('ZREM', KEYS[4], old)
  end
end
redis.call('ZADD', KEYS[4], created_at, number .. ':' .. run_id)
keep(KEYS[4], life.seconds)
return { 'begun' }
