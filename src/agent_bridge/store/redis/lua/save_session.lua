-- KEYS session. ARGV principal, body, lifetime. Whether there is one.
local life = lifetime(3)
if not is_live(KEYS[1], ARGV[1], life.now) then
  return 0
end
local expires_at = redis.call('HGET', KEYS[1], 'expires_at')
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'expires_at', later(expires_at, life.run_and_session_until))
keep(KEYS[1], life.seconds)
return 1
