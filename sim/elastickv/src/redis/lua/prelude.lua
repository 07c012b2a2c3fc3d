-- What a script has around it: the names that Redis and upstream both give, with Redis' rules where plain Lua 5.1 has others.
-- Takes the `redis` table, KEYS, ARGV and what Rust knows of errors; returns the script's globals.
local redis, KEYS, ARGV, plain, table_of = ...
local error, gsub, tostring, type = error, string.gsub, tostring, type
local pcall = pcall

string.dump = nil

local globals = {
  _VERSION = _VERSION, KEYS = KEYS, ARGV = ARGV, redis = redis, math = math, string = string, table = table,
  assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
  rawequal = rawequal, rawget = rawget, rawset = rawset, select = select, setmetatable = setmetatable,
  tonumber = tonumber, type = type, unpack = unpack,
}

-- As upstream's: there is nothing to hear from the collector.
function globals.collectgarbage() return 0 end

local addressed = { ['table'] = true, ['function'] = true, ['userdata'] = true, ['thread'] = true }

-- An address is another one in every process.
function globals.tostring(value)
  local kind = type(value)
  if addressed[kind] then return (gsub(tostring(value), '^%a+: 0x%x+$', kind .. ': 0x0')) end
  return tostring(value)
end

local function settled(ok, e, ...)
  if ok then return ok, e, ... end
  if type(e) == 'table' then
    local kind = type(e.err)
    if kind == 'string' or kind == 'number' then return false, e.err end
  end
  return false, plain(e)
end

-- Redis': an error that is a table with `err` is caught as that text.
function globals.pcall(...) return settled(pcall(...)) end

local function handled(handler, ok, e, ...)
  if ok then return ok, e, ... end
  local _, said = pcall(handler, table_of(e))
  return false, said
end

-- The handler runs when all is unwound: where an instruction too many was counted, nothing is counted any more.
function globals.xpcall(f, handler) return handled(handler, pcall(f)) end

local env = {}
globals._G = env

setmetatable(globals, { __index = function(_, name)
  error("Script attempted to access nonexistent global variable '" .. globals.tostring(name) .. "'", 2)
end })

return setmetatable(env, {
  __index = globals,
  __newindex = function() error('Attempt to modify a readonly table', 2) end,
  __metatable = false,
})
