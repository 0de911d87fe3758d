-- What several scripts need; it is put in front of each. All keys of one call share a hash tag, so one node has them.
-- Times are seconds since the epoch of the caller's clock, as text, so that no digit is lost. What a key holds says when
-- it expires; the TTL that Redis has for it is only a little longer, and deletes what nobody asks for any more.

local function keep(key, seconds)
  local ms = seconds * 1000
  local left = redis.call('PTTL', key)
  if left ~= -2 and left < ms then
    redis.call('PEXPIRE', key, math.ceil(ms * 1.05 + 60000))
  end
end

-- Not longer either: a lease that was longer has ended.
local function keep_only(key, seconds)
  redis.call('PEXPIRE', key, math.ceil(seconds * 1050 + 60000))
end

-- Lets a key live as long as the one that it belongs to.
local function keep_with(key, owner)
  local left = redis.call('PTTL', owner)
  if redis.call('PTTL', key) < left then
    redis.call('PEXPIRE', key, left)
  end
end

local function later(one, other)
  if one and tonumber(one) > tonumber(other) then
    return one
  end
  return other
end

-- The four arguments that say how long a use keeps what was used.
local function lifetime(first)
  local now, lease_until, life_until, history_until = unpack(ARGV, first, first + 3)
  return {
    now = tonumber(now),
    lease_until = lease_until,
    run_and_session_until = life_until,
    history_until = history_until,
    seconds = tonumber(life_until) - tonumber(now),
    history_seconds = tonumber(history_until) - tonumber(now),
  }
end

-- False where nothing can be written now: on a read-only replica, or in full memory.
local function can_extend(key, expires_at)
  local done = redis.pcall('HSET', key, 'expires_at', expires_at)
  return type(done) == 'number'
end

local function write_fields(key, first, last)
  for from = first, last, 1000 do
    redis.call('HSET', key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end

local function is_live(key, principal, now)
  local owner, expires_at = unpack(redis.call('HMGET', key, 'principal', 'expires_at'))
  return owner == principal and tonumber(expires_at) > now
end

local function sibling_run(session, run_id)
  return string.gsub(session, 'session$', '') .. 'run:' .. run_id
end

-- What stands between a run and its session's turn; nil where there is no such session.
local function claim(session, run_id, principal, now)
  if not is_live(session, principal, now) then
    return nil
  end
  local holder = redis.call('HGET', session, 'busy_with')
  if not holder or holder == '' or holder == run_id then
    return { is_own = holder == run_id, is_contested = false }
  end
  local lease_until = redis.call('HGET', sibling_run(session, holder), 'lease_until')
  return { rival = holder, is_contested = lease_until and tonumber(lease_until) > now }
end

-- Otherwise a longer life would bring back a history that was gone.
local function forget_expired(session, turns, now)
  local expires_at = redis.call('HGET', session, 'history_expires_at')
  if expires_at and tonumber(expires_at) <= now then
    redis.call('DEL', turns)
    redis.call('HDEL', session, 'spoken')
  end
end

-- Extends the life of the session whose turn the run has, and of its history where that has not expired yet.
local function use(session, turns, run_id, life)
  local holder, expires_at, history_expires_at =
    unpack(redis.call('HMGET', session, 'busy_with', 'expires_at', 'history_expires_at'))
  if holder ~= run_id or tonumber(expires_at) <= life.now then
    return
  end
  forget_expired(session, turns, life.now)
  redis.call('HSET', session,
    'expires_at', later(expires_at, life.run_and_session_until),
    'history_expires_at', later(history_expires_at, life.history_until))
  keep(session, life.seconds)
  keep(turns, life.history_seconds)
end

-- Gives the session's turn to the run. A rival loses it, and with a new fence the right to write.
local function take_turn(session, turns, run_id, turn, life)
  if turn.rival and redis.call('EXISTS', sibling_run(session, turn.rival)) == 1 then
    redis.call('HINCRBY', sibling_run(session, turn.rival), 'fence', 1)
  end
  redis.call('HSET', session, 'busy_with', run_id)
  use(session, turns, run_id, life)
end

-- Those that are there already, word for word, count once.
local function append(run, events, run_id, last_seq, chunk)
  redis.call('ZADD', events, last_seq, chunk)
  keep_with(events, run)
  redis.call('HSET', run, 'newest_seq', later(redis.call('HGET', run, 'newest_seq'), last_seq))
  redis.call('PUBLISH', 'ab:changes:' .. run_id, last_seq)
end

-- Writes a checkpoint, whose arguments begin at `first`: run id, fence, stamp, status, body, count of steps, number of
-- fields, newest seq, chunk of events, then the fields of steps and those of results. Returns false where the run has
-- passed to another owner. One that was overtaken by a newer write of the same owner changes nothing.
local function save(run, events, results, life, first)
  local run_id, fence, stamp, status, body, count, fields, last_seq, chunk = unpack(ARGV, first, first + 8)
  local stored_fence, stored_stamp, expires_at = unpack(redis.call('HMGET', run, 'fence', 'stamp', 'expires_at'))
  if stored_fence ~= fence then
    return false
  end
  if tonumber(stored_stamp) > tonumber(stamp) then
    return true
  end
  redis.call('HSET', run, 'status', status, 'body', body, 'stamp', stamp,
    'expires_at', later(expires_at, life.run_and_session_until))
  local steps_end = first + 8 + tonumber(fields)
  write_fields(run, first + 9, steps_end)
  while count ~= '' and redis.call('HDEL', run, 'step:' .. count) == 1 do
    count = tostring(tonumber(count) + 1)
  end
  write_fields(results, steps_end + 1, #ARGV)
  keep(run, life.seconds)
  keep_with(results, run)
  if chunk ~= '' then
    append(run, events, run_id, last_seq, chunk)
  end
  keep_with(events, run)
  return true
end
