-- Has wrk send the bytes of a file, as they are:  wrk --script requests.lua URL -- FILE
-- "{id}" in them becomes another number in each request, of this run and of those before it.

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local bytes = file:read("*a")
   file:close()
   local parts = {}
   for part in (bytes .. "{id}"):gmatch("(.-){id}") do
      parts[#parts + 1] = part
   end
   if #parts > 1 then
      local run, number = os.time(), 0
      request = function()
         number = number + 1
         return table.concat(parts, string.format("%08x%08x", run, number))
      end
   else
      -- wrk asks for this once only, so nothing is interpreted while it sends.
      wrk.format = function() return bytes end
   end
end
