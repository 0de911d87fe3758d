-- KEYS session, turns, run. ARGV run id, principal, fence, status, force, token of this attempt, lifetime.
-- The fields of the run where it could be had. Said a second time, because the first answer was lost, it is had.
local run_id, principal, fence, status, force, token = unpack(ARGV, 1, 6)
local life = lifetime(7)
local stored_principal, stored_fence, stored_status, expires_at, lease_until, taken_by = unpack(
  redis.call('HMGET', KEYS[3], 'principal', 'fence', 'status', 'expires_at', 'lease_until', 'taken_by'))
if taken_by == token then
  return redis.call('HGETALL', KEYS[3])
end
if stored_principal ~= principal or stored_fence ~= fence or stored_status ~= status
  or tonumber(expires_at) <= life.now then
  return nil
end
local turn = claim(KEYS[1], run_id, principal, life.now)
local is_contested = turn and turn.is_contested
if force == '' and (is_contested or tonumber(lease_until) > life.now) then
  return nil
end
redis.call('HSET', KEYS[3], 'fence', stored_fence + 1, 'taken_by', token, 'stamp', 0, 'lease_until', life.lease_until,
  'expires_at', later(expires_at, life.run_and_session_until))
keep_run(KEYS[3], life.seconds)
if turn and not is_contested then
  take_turn(KEYS[1], KEYS[2], run_id, turn, life)
end
return redis.call('HGETALL', KEYS[3])
