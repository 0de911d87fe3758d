-- KEYS run, events. ARGV run id, fence, newest seq, chunk. Whether the run has not passed to another owner.
local fence, newest_seq = unpack(redis.call('HMGET', KEYS[1], 'fence', 'newest_seq'))
if fence ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'newest_seq', later(newest_seq, ARGV[3]))
append(KEYS[2], ARGV[1], ARGV[3], ARGV[4])
keep_with(KEYS[2], KEYS[1])
return 1
