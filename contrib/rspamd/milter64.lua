-- For rspamd behind milter64: the client's address and name as milter64 knows them, in the place of those on the wire.
--
-- Made by `milter64 neighbours rspamd`, of the settings in milter64.toml; make it anew when these change. It stands in
-- /etc/rspamd/milter64.lua, and /etc/rspamd/rspamd.local.lua has the line
--   dofile("/etc/rspamd/milter64.lua")

-- translation.explicit (RFC 7757)
local MAPPINGS = {
}
-- translation.prefixes (RFC 6052)
local PREFIXES = {
  '64:ff9b::/96',
}
-- trust.networks and trust.relays: milter64 adds nothing to what they bring, and deletes nothing
local TRUSTED = {
  '::1/128',
}
-- what no packet comes from (RFC 1812 5.3.7)
local NO_SOURCE = {
  '0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/4', '255.255.255.255/32',
}
-- what 64:ff9b::/96 must not carry (RFC 6052 3.1)
local NON_GLOBAL = {
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/29',
  '192.0.0.8/32', '192.0.0.11/32', '192.0.0.12/30', '192.0.0.16/28', '192.0.0.32/27', '192.0.0.64/26', '192.0.0.128/25',
  '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24',
  '224.0.0.0/4', '240.0.0.0/4',
}
-- addresses of private use
local PRIVATE = {
  '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/29', '192.168.0.0/16',
}
-- milter.authserv_id, whose Authentication-Results are ours; else the mail server's own name
local AUTHSERV_ID = nil
-- headers.authentication_results: without ours, strangers' are not deleted, and no name is taken from any
local NAMES = true

local rspamd_ip = require "rspamd_ip"

-- An address as its 32 or 128 bits, "0" and "1".
local function bits(ip)
  local text = {}
  for _, octet in ipairs(ip:to_table()) do
    for place = 7, 0, -1 do
      text[#text + 1] = math.floor(octet / 2 ^ place) % 2 == 1 and "1" or "0"
    end
  end
  return table.concat(text)
end

-- The bits that the addresses of a network begin with.
local function head(network)
  local address, length = network:match("^(.*)/(%d+)$")
  return bits(rspamd_ip.from_string(address)):sub(1, tonumber(length))
end

local function heads(networks, more)
  local found = {}
  for _, each in ipairs({ networks, more }) do
    for _, network in ipairs(each) do
      found[#found + 1] = head(network)
    end
  end
  return found
end

local function within(address, networks)
  for _, network in ipairs(networks) do
    if address:sub(1, #network) == network then
      return true
    end
  end
  return false
end

local trusted = heads(TRUSTED)

-- What is left as it is. Those of private use are: who is trusted for his address is trusted for the one on the wire.
local no_source, non_global = heads(NO_SOURCE, PRIVATE), heads(NON_GLOBAL, PRIVATE)

-- Who decodes, the first that counts: what the wire begins with, what IPv4 begins with, and what it must not be.
local rules = { { head = ("0"):rep(80) .. ("1"):rep(16), ipv4 = "", never = {} } } -- as a socket shows IPv4
for _, mapping in ipairs(MAPPINGS) do
  rules[#rules + 1] = { head = head(mapping[2]), ipv4 = head(mapping[1]), never = no_source }
end
for _, prefix in ipairs(PREFIXES) do
  local never = prefix == "64:ff9b::/96" and non_global or no_source
  rules[#rules + 1] = { head = head(prefix), ipv4 = "", never = never, prefix = true }
end

-- The IPv4 address that one on the wire stands for, nil if it is to stay.
local function decode(wire)
  if wire:get_version() ~= 6 then
    return nil
  end
  local address = bits(wire)
  for _, rule in ipairs(rules) do
    if within(address, { rule.head }) then
      local rest = address:sub(#rule.head + 1)
      if rule.prefix and address:sub(65, 72) ~= "00000000" then
        return nil
      elseif rule.prefix and #rule.head <= 64 then -- RFC 6052 2.2: bits 64 to 71 are skipped
        rest = address:sub(#rule.head + 1, 64) .. address:sub(73)
      end
      local ipv4 = (rule.ipv4 .. rest):sub(1, 32)
      if within(ipv4, rule.never) then
        return nil
      end
      local octets = {}
      for octet in ipv4:gmatch("%d%d%d%d%d%d%d%d") do
        octets[#octets + 1] = tonumber(octet, 2)
      end
      return rspamd_ip.from_string(table.concat(octets, "."))
    end
  end
  return nil
end

-- The client's name as our uppermost field with an iprev has it, nil if that found none. Comments of ours hold neither
-- parentheses nor semicolons, whoever has chosen what is in them; what stands in quotes goes first.
local function confirmed_name(task, wire, address)
  local authserv_id = AUTHSERV_ID or task:get_request_header("MTA-Name")
  if not NAMES or not authserv_id or task:get_user() or within(bits(wire), trusted) then
    return nil
  end
  authserv_id = tostring(authserv_id):lower()
  for _, field in ipairs(task:get_header_full("Authentication-Results") or {}) do
    local id, results = tostring(field.value):match("^%s*([^%s;]+)(;.*)$")
    results = id and id:lower() == authserv_id and results:gsub("\\.", ""):gsub('"[^"]*"', ""):gsub("%s+", " ")
    local found = results and results:match("; iprev=(.*)$")
    if found then
      local name, of = found:match("^pass %(([%w._-]+)%) policy%.iprev=([%d.]+)")
      return of == address:to_string() and name or nil
    end
  end
  return nil
end

rspamd_config:register_symbol({
  name = "MILTER64",
  type = "prefilter",
  priority = 12, -- before the settings (10), which may go by the address, and before an external_relay (11)
  flags = "empty,explicit_disable",
  group = "milter64",
  callback = function(task)
    local received = task:get_received_headers() or {} -- the same table for all who ask after us
    for _, relay in ipairs(received) do
      local address = relay.real_ip and relay.real_ip:is_valid() and decode(relay.real_ip)
      if address then
        relay.real_ip, relay.from_ip = address, address:to_string()
      end
    end
    local wire = task:get_from_ip()
    local address = wire and wire:is_valid() and decode(wire)
    if not address then
      return
    end
    local name = confirmed_name(task, wire, address) or "[" .. address:to_string() .. "]" -- in brackets it is none
    task:set_from_ip(address)
    task:set_hostname(name)
    local first = received[1]
    if first and first.flags.artificial then -- that is how rspamd tells of the client where another relay stands first
      first.real_hostname, first.from_hostname = name, name
    end
  end,
})
