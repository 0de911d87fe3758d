-- KEYS run, results. ARGV call id, now.
local expires_at = redis.call('HGET', KEYS[1], 'expires_at')
if not expires_at or tonumber(expires_at) <= tonumber(ARGV[2]) then
  return nil
end
return redis.call('HGET', KEYS[2], ARGV[1])
