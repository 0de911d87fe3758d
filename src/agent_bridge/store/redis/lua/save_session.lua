-- KEYS session. ARGV principal, body, lifetime. Whether there is one.
local life = lifetime(3)
local expires_at = live(KEYS[1], ARGV[1], life.now)
if not expires_at then
  return 0
end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'expires_at', later(expires_at, life.run_and_session_until))
keep(KEYS[1], life.seconds)
return 1
