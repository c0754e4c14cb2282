-- Runs the prefilter of the file in $RULES, on a client in each line: the address on the wire, the user, the mail
-- server's name, the client's host name, and Authentication-Results from the uppermost on, with tabs between. It prints
-- the address and the host name that rspamd has afterwards, to which one in brackets is none.
local prefilter
rspamd_config = {
  register_symbol = function(_, symbol)
    prefilter = symbol.callback
  end,
}
dofile(os.getenv("RULES"))
local rspamd_ip = require "rspamd_ip"

for line in io.lines() do
  local said = {}
  for part in (line .. "\t"):gmatch("([^\t]*)\t") do
    said[#said + 1] = part ~= "" and part or false
  end
  local fields = {}
  for place = 5, #said do
    fields[#fields + 1] = { value = said[place] }
  end
  local ip, hostname = rspamd_ip.from_string(said[1]), said[4] or nil
  prefilter({
    get_from_ip = function()
      return ip
    end,
    set_from_ip = function(_, address)
      ip = address
    end,
    get_hostname = function()
      return hostname
    end,
    set_hostname = function(_, name)
      hostname = name
    end,
    get_user = function()
      return said[2] or nil
    end,
    get_request_header = function()
      return said[3] or nil
    end,
    get_header_full = function()
      return #fields > 0 and fields or nil
    end,
    get_received_headers = function()
      return {}
    end,
  })
  print(tostring(ip) .. "\t" .. (hostname and not hostname:find("^%[") and hostname or ""))
end
