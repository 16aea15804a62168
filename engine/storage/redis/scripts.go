package redis

import "github.com/redis/go-redis/v9"

// The scripts, each with its KEYS and ARGV. The version of a space is a Lua
// number, exact up to 2^53: more than any space will see.

// makeScript gives a space a generation unless it has one, and returns it.
// KEYS: meta. ARGV: generation.
var makeScript = redis.NewScript(`
redis.call('HSETNX', KEYS[1], 'generation', ARGV[1])
return redis.call('HGET', KEYS[1], 'generation')
`)

// confirmScript notes that the registry knows of this generation.
// KEYS: meta. ARGV: generation.
var confirmScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then
	redis.call('HSET', KEYS[1], 'listed', '1')
end
return 'OK'
`)

// removeScript removes a space and all that is in it, if it is this generation.
// KEYS: meta, keys, values. ARGV: generation.
var removeScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then
	redis.call('DEL', KEYS[1])
	redis.call('UNLINK', KEYS[2], KEYS[3])
end
return 'OK'
`)

// applyScript does a batch and returns 'done', 'gone', or 'conflict' with the
// key. It remembers the answer under the batch's id: a batch that comes again
// (its answer was lost) or late (after its sender asked again on another
// connection) gets that answer and does nothing.
// KEYS: meta, keys, values, outcome. ARGV: generation, seconds to remember, then
// of each operation its kind, its key, and its value or version.
var applyScript = redis.NewScript(`
local known = redis.call('GET', KEYS[4])
if known then
	return known
end
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then
	return 'gone'
end
local function remember(outcome)
	redis.call('SET', KEYS[4], outcome, 'EX', ARGV[2])
	return outcome
end
local writes = false
for i = 3, #ARGV, 3 do
	if ARGV[i] == 'r' then
		local stored = redis.call('HGET', KEYS[3], ARGV[i + 1])
		local version = stored and string.match(stored, '^%d+') or '0'
		if version ~= ARGV[i + 2] then
			return remember('conflict ' .. ARGV[i + 1])
		end
	else
		writes = true
	end
end
if not writes then
	return 'done'
end
local version = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'version', 1))
for i = 3, #ARGV, 3 do
	local kind, key = ARGV[i], ARGV[i + 1]
	if kind == 's' then
		redis.call('HSET', KEYS[3], key, version .. ':' .. ARGV[i + 2])
		redis.call('ZADD', KEYS[2], 0, key)
	elseif kind == 'd' then
		redis.call('HDEL', KEYS[3], key)
		redis.call('ZREM', KEYS[2], key)
	end
end
return remember('done')
`)

// getScript returns the stored values of keys, nil for a space that is gone.
// KEYS: meta, values. ARGV: generation, keys.
var getScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then
	return false
end
if #ARGV == 1 then
	return {}
end
return redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
`)

// scanScript returns keys of a range and their stored values, nil for a space
// that is gone. It fetches in pieces, since unpack has a limit.
// KEYS: meta, keys, values. ARGV: generation, min, max, limit.
var scanScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then
	return false
end
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local values = {}
for i = 1, #keys, 500 do
	for _, value in ipairs(redis.call('HMGET', KEYS[3], unpack(keys, i, math.min(i + 499, #keys)))) do
		values[#values + 1] = value
	end
end
return {keys, values}
`)

// registerScript lists a name. KEYS: names, nonces. ARGV: name, nonce.
var registerScript = redis.NewScript(`
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 'OK'
`)

// unregisterScript takes a name off the list unless it was listed again since
// the nonce was read. KEYS: names, nonces. ARGV: name, nonce.
var unregisterScript = redis.NewScript(`
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then
	redis.call('ZREM', KEYS[1], ARGV[1])
	redis.call('HDEL', KEYS[2], ARGV[1])
end
return 'OK'
`)

// listScript returns names of a range and their nonces.
// KEYS: names, nonces. ARGV: min, max, limit.
var listScript = redis.NewScript(`
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
if #names == 0 then
	return {{}, {}}
end
return {names, redis.call('HMGET', KEYS[2], unpack(names))}
`)
