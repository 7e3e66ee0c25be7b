/** The one script that Redis or Valkey runs: the algorithm of gateway/limits, by the clock of the server. */
import { createHash } from 'node:crypto';

/**
 * KEYS: the caller's, and that of the moment when nobody had anything left. ARGV: what is asked (take, refund, drain), interval
 * and tolerance in microseconds. Answer: 1 or 0, and how many microseconds the caller is ahead.
 *
 * A server without the second key has lost its memory: it begins with nothing left for anybody. Numbers stay below 2^53, and are
 * written by %.0f, since Lua writes large ones with 14 digits. A clock that was set back is noticed by what is further ahead
 * than anything can be.
 */
export const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local write = function(key, value, ...) redis.call('SET', key, string.format('%.0f', value), ...) end
local read = function(key) return tonumber(redis.call('GET', key) or '') end
if ARGV[1] == 'drain' then
  write(KEYS[2], now)
  return {1, 0}
end
local interval, tolerance = tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tolerance + interval
local keep = function(arrival)
  if arrival > now then write(KEYS[1], arrival, 'PX', math.ceil((arrival - now) / 1000) + 1000) else redis.call('DEL', KEYS[1]) end
end
local kept = read(KEYS[1])
if ARGV[1] == 'refund' then
  if kept then keep(kept - interval) end
  return {1, 0}
end
local empty = read(KEYS[2])
if not empty or empty > now then
  empty = now
  write(KEYS[2], now)
end
local arrival = math.max(now, math.min(math.max(kept or 0, empty + full), now + full))
local admitted = arrival - now <= tolerance
if admitted then arrival = arrival + interval end
if admitted or (kept and kept > now + full) then keep(arrival) end
return {admitted and 1 or 0, arrival - now}
`;

export const SCRIPT_SHA1 = createHash('sha1').update(SCRIPT).digest('hex');
