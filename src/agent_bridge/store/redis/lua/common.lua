-- What several scripts need; it is put in front of each. All keys of one call share a hash tag, so one node has them.
-- Times are seconds since the epoch of the caller's clock, as text, so that no digit is lost. What a key holds says when
-- it expires; the TTL that Redis has for it is only a little longer, and deletes what nobody asks for any more.

-- Whether a key that is there was to live less long.
local function keep(key, seconds)
  local ms = seconds * 1000
  local left = redis.call('PTTL', key)
  if left == -2 or left >= ms then
    return false
  end
  redis.call('PEXPIRE', key, math.ceil(ms * 1.05 + 60000))
  return true
end

-- Not longer either: a lease that was longer has ended.
local function keep_only(key, seconds)
  redis.call('PEXPIRE', key, math.ceil(seconds * 1050 + 60000))
end

-- Keeps a run, and with it its events and results.
local function keep_run(run, seconds)
  if keep(run, seconds) then
    local left = redis.call('PTTL', run)
    redis.call('PEXPIRE', run .. ':events', left)
    redis.call('PEXPIRE', run .. ':results', left)
  end
end

-- Lets events or results that were just written for the first time live as long as their run.
local function keep_with(key, run)
  if redis.call('PTTL', key) == -1 then
    redis.call('PEXPIRE', key, redis.call('PTTL', run))
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

-- When the principal's session or run expires, and the fields that are asked for; nil where there is none.
local function live(key, principal, now, ...)
  local found = redis.call('HMGET', key, 'principal', 'expires_at', ...)
  if found[1] ~= principal or tonumber(found[2]) <= now then
    return nil
  end
  return unpack(found, 2)
end

local function sibling_run(session, run_id)
  return string.gsub(session, 'session$', '') .. 'run:' .. run_id
end

-- Whether the history was gone: a longer life must not bring it back.
local function forget_expired(session, turns, history_expires_at, now)
  if not history_expires_at or tonumber(history_expires_at) > now then
    return false
  end
  redis.call('DEL', turns)
  redis.call('HDEL', session, 'spoken')
  return true
end

-- What stands between a run and its session's turn; nil where there is no such session.
local function claim(session, run_id, principal, now)
  local expires_at, history_expires_at, holder = live(session, principal, now, 'history_expires_at', 'busy_with')
  if not expires_at then
    return nil
  end
  local turn = { expires_at = expires_at, history_expires_at = history_expires_at }
  if not holder or holder == '' or holder == run_id then
    turn.is_own = holder == run_id
    return turn
  end
  local lease_until = redis.call('HGET', sibling_run(session, holder), 'lease_until')
  turn.rival, turn.is_contested = holder, lease_until and tonumber(lease_until) > now
  return turn
end

-- Gives the session's turn to the run, or lets it keep it, and extends the life of the session, and of its history where
-- that has not expired yet. A rival loses the turn, and with a new fence the right to write.
local function take_turn(session, turns, run_id, turn, life)
  if turn.rival and redis.call('EXISTS', sibling_run(session, turn.rival)) == 1 then
    redis.call('HINCRBY', sibling_run(session, turn.rival), 'fence', 1)
  end
  forget_expired(session, turns, turn.history_expires_at, life.now)
  redis.call('HSET', session, 'busy_with', run_id,
    'expires_at', later(turn.expires_at, life.run_and_session_until),
    'history_expires_at', later(turn.history_expires_at, life.history_until))
  keep(session, life.seconds)
  keep(turns, life.history_seconds)
end

-- Those that are there already, word for word, count once.
local function append(events, run_id, last_seq, chunk)
  redis.call('ZADD', events, last_seq, chunk)
  redis.call('PUBLISH', 'ab:changes:' .. run_id, last_seq)
end

-- Writes a checkpoint, whose arguments begin at `first`: run id, fence, stamp, status, body, count of steps, number of
-- fields, newest seq, chunk of events, then the fields of steps and those of results. Returns false where the run has
-- passed to another owner. One that was overtaken by a newer write of the same owner changes nothing.
local function save(run, events, results, life, first)
  local run_id, fence, stamp, status, body, count, fields, last_seq, chunk = unpack(ARGV, first, first + 8)
  local stored_fence, stored_stamp, expires_at, newest_seq =
    unpack(redis.call('HMGET', run, 'fence', 'stamp', 'expires_at', 'newest_seq'))
  if stored_fence ~= fence then
    return false
  end
  if tonumber(stored_stamp) > tonumber(stamp) then
    return true
  end
  redis.call('HSET', run, 'status', status, 'body', body, 'stamp', stamp,
    'expires_at', later(expires_at, life.run_and_session_until), 'newest_seq', later(newest_seq, last_seq))
  local steps_end = first + 8 + tonumber(fields)
  write_fields(run, first + 9, steps_end)
  while count ~= '' and redis.call('HDEL', run, 'step:' .. count) == 1 do
    count = tostring(tonumber(count) + 1)
  end
  write_fields(results, steps_end + 1, #ARGV)
  if chunk ~= '' then
    append(events, run_id, last_seq, chunk)
  end
  return true
end
