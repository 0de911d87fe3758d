-- KEYS session, turns. ARGV now.
local expires_at, history_expires_at = unpack(redis.call('HMGET', KEYS[1], 'expires_at', 'history_expires_at'))
if not expires_at or tonumber(expires_at) <= tonumber(ARGV[1]) or tonumber(history_expires_at) <= tonumber(ARGV[1]) then
  return {}
end
return redis.call('LRANGE', KEYS[2], 0, -1)
