-- KEYS session, turns, run, events, results, runs. ARGV run id, fence, lifetime. Whether the run has not passed to another owner.
local life = lifetime(3)
local fence, expires_at = unpack(redis.call('HMGET', KEYS[3], 'fence', 'expires_at'))
if fence ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[3], 'lease_until', life.lease_until,
  'expires_at', later(expires_at, life.run_and_session_until))
keep(KEYS[3], life.seconds)
keep(KEYS[6], life.seconds)
keep_with(KEYS[4], KEYS[3])
keep_with(KEYS[5], KEYS[3])
use(KEYS[1], KEYS[2], ARGV[1], life)
return 1
