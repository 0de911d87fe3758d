-- KEYS session. ARGV principal, body, lifetime.
local life = lifetime(3)
redis.call('HSET', KEYS[1], 'principal', ARGV[1], 'body', ARGV[2],
  'expires_at', life.run_and_session_until, 'history_expires_at', life.history_until)
keep(KEYS[1], life.seconds)
