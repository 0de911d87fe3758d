-- KEYS session, turns, run, runs. ARGV run id, fence, principal, lifetime. Whether the run has not passed to another owner.
local life = lifetime(4)
local fence, expires_at = unpack(redis.call('HMGET', KEYS[3], 'fence', 'expires_at'))
if fence ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[3], 'lease_until', life.lease_until,
  'expires_at', later(expires_at, life.run_and_session_until))
keep_run(KEYS[3], life.seconds)
keep(KEYS[4], life.seconds)
local turn = claim(KEYS[1], ARGV[1], ARGV[3], life.now)
if turn and turn.is_own then
  take_turn(KEYS[1], KEYS[2], ARGV[1], turn, life)
end
return 1
