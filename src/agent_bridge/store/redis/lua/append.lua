-- KEYS run, events. ARGV run id, fence, newest seq, chunk. Whether the run has not passed to another owner.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] then
  return 0
end
append(KEYS[1], KEYS[2], ARGV[1], ARGV[3], ARGV[4])
return 1
