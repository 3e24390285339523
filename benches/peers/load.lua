-- The script of wrk. It repeats one request with a body of the given length. Each connection pauses for the given number of
-- milliseconds before each request. At the end it prints one line of JSON.

function init(args)
   local bytes, pause = tonumber(args[1]), tonumber(args[2])
   if bytes > 0 then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/octet-stream"
      wrk.body = string.rep("x", bytes)
   end
   if pause > 0 then
      function delay()
         return pause
      end
   end
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "refused": %d, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout
   ))
end
