//! What has to happen at once in the server: each script is one call for a whole batch.
//!
//! `KEYS[1]` is the stream and `ARGV[1]` the group. A script first looks at who holds an entry, so that it never changes
//! what another worker holds by now.

use std::time::Duration;

/// How often a worker looks at all deliveries in flight. What was released is looked for at each receive.
pub(super) const LOOK_AT_ALL: Duration = Duration::from_secs(2);

/// Gives due entries to `ARGV[2]`, at most `ARGV[3]`. An entry is due when its idle time has reached the visibility timeout
/// of its holder in milliseconds, which is the end of the holder's name; `ARGV[4]` is that of other names, and the longest
/// of all is `ARGV[5]`. Unless `ARGV[6]` is 1, only what has that idle time is looked for, as released entries have when
/// they are due.
///
/// What `ARGV[2]` holds itself is also due if it is not among `ARGV[7]…`, the entries that it knows of: the server read the
/// call that delivered or extended it from a connection that had ended.
///
/// Returns `[id, fields, deliveries]` for each entry. An entry that somebody deleted is no longer pending afterwards.
pub(super) const TAKE_OVER: &str = r"
local taken, known = {}, {}
for index = 7, #ARGV do known[ARGV[index]] = true end
local function take(row, idle)
  known[row[1]] = true
  local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], idle, row[1])[1]
  if entry then
    taken[#taken + 1] = {entry[1], entry[2], row[4] + 1}
  else
    redis.call('XACK', KEYS[1], ARGV[1], row[1])
  end
end
local max = tonumber(ARGV[3])
for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[5], '-', '+', max)) do
  take(row, ARGV[5])
end
local first = '-'
while ARGV[6] == '1' and #taken < max do
  local rows = redis.call('XPENDING', KEYS[1], ARGV[1], first, '+', 1000)
  for _, row in ipairs(rows) do
    local visibility = row[2] == 'later' and ARGV[5] or string.match(row[2], '%-v(%d+)$') or ARGV[4]
    if row[2] == ARGV[2] and not known[row[1]] then visibility = 0 end
    if #taken < max and row[3] >= tonumber(visibility) then take(row, visibility) end
  end
  if #rows < 1000 then break end
  first = '(' .. rows[1000][1]
end
return taken";

/// Gives the entries `ARGV[4]…`, each followed by its new idle time in milliseconds, from `ARGV[2]` to `ARGV[3]`. Returns 1
/// for each entry that `ARGV[2]` held.
pub(super) const HAND_OVER: &str = r"
local outcomes = {}
for index = 4, #ARGV, 2 do
  local id = ARGV[index]
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])
  local claimed = {}
  if held[1] then
    claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, id, 'IDLE', ARGV[index + 1], 'JUSTID')
  end
  outcomes[#outcomes + 1] = #claimed
end
return outcomes";

/// Removes the entries `ARGV[2]…`, whoever holds them. Returns 1 for each entry that was there.
pub(super) const REMOVE: &str = r"
local outcomes = {}
for index = 2, #ARGV do
  outcomes[#outcomes + 1] = redis.call('XACK', KEYS[1], ARGV[1], ARGV[index])
  redis.call('XDEL', KEYS[1], ARGV[index])
end
return outcomes";

/// Moves the entries `ARGV[3]…` of `ARGV[2]` to the stream `KEYS[2]`. Returns 1 for each entry that `ARGV[2]` held.
pub(super) const BURY: &str = r"
local outcomes = {}
for index = 3, #ARGV do
  local id = ARGV[index]
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])
  if held[1] then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then redis.call('XADD', KEYS[2], '*', unpack(entry[2])) end
    redis.call('XACK', KEYS[1], ARGV[1], id)
    redis.call('XDEL', KEYS[1], id)
  end
  outcomes[#outcomes + 1] = #held
end
return outcomes";

/// Gives everything that `ARGV[2]` holds to `ARGV[3]`, due immediately: with the idle time `ARGV[4]`. Then removes the
/// consumer `ARGV[2]`, and those that hold nothing and have done nothing for a day, such as workers that were killed.
pub(super) const LEAVE: &str = r"
local rows
repeat
  rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000, ARGV[2])
  for _, row in ipairs(rows) do
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, row[1], 'IDLE', ARGV[4], 'JUSTID')
  end
until #rows < 1000
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for index = 1, #consumer, 2 do of[consumer[index]] = consumer[index + 1] end
  if of.pending == 0 and of.idle > 86400000 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of.name)
  end
end
return 1";
