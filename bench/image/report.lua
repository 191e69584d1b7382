-- What wrk has counted, as one line of JSON. With an argument (wrk … -- <milliseconds>) each connection waits that long
-- before each request: a load below the most that the machine can do.

function init(args)
    local wait = tonumber(args[1])
    if wait ~= nil and wait > 0 then
        delay = function()
            return wait
        end
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50Us":%d,"p99Us":%d,"maxUs":%d,' ..
        '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
        summary.requests, summary.duration / 1000000, latency:percentile(50), latency:percentile(99), latency.max,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout
    ))
end
