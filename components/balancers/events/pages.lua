--[[
What is shown of the discovery: figures for Prometheus, and a page for people.
]]

local services, slots, now, source = ...

local function count(all)
    local n = 0
    for _ in pairs(all) do
        n = n + 1
    end
    return n
end

local kinds = { "unreachable", "forbidden", "status", "answer", "internal" }

-- Each with its type and how it is got from a service; NaN and 0 as Prometheus has them.
local metrics = {
    { "changes_total", "counter", "servers that were filled, emptied or weighted anew", function(s) return s.changes end },
    { "age_seconds", "gauge", "since " .. source .. " said how things are", function(s) return s.updated and now() - s.updated or "NaN" end },
    { "lag_seconds", "gauge", "from the last answer that changed something to traffic", function(s) return s.lag or "NaN" end },
    { "slots", "gauge", "servers that the backend has", function(s) return #s.slots end },
    { "slots_used", "gauge", "servers that have an instance", function(s) return count(s.slot_of) end },
    { "unplaced", "gauge", "instances that no server was left for", function(s) return s.unplaced end },
    { "unusable", "gauge", "instances without an address or a port, entries that are not what they have to be", function(s) return s.unusable end },
    { "held", "gauge", "whether an answer is held back", function(s) return s.held and 1 or 0 end },
    { "holds_total", "counter", "answers that were held back", function(s) return s.holds end },
}

local function answer(applet, kind, text)
    applet:set_status(200)
    applet:add_header("content-type", kind)
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

core.register_service("discovery-metrics", "http", function(applet)
    local lines = {}
    local function add(...)
        table.insert(lines, string.format(...))
    end
    for _, metric in ipairs(metrics) do
        local name, kind, help, value = table.unpack(metric)
        add("# HELP gatehouse_discovery_%s %s", name, help)
        add("# TYPE gatehouse_discovery_%s %s", name, kind)
        for _, service in ipairs(services) do
            add('gatehouse_discovery_%s{service="%s"} %s', name, service.name, value(service))
        end
    end
    add("# HELP gatehouse_discovery_errors_total questions that told nothing, by kind")
    add("# TYPE gatehouse_discovery_errors_total counter")
    for _, service in ipairs(services) do
        for _, kind in ipairs(kinds) do
            add(
                'gatehouse_discovery_errors_total{service="%s",kind="%s"} %d',
                service.name,
                kind,
                service.errors[kind] or 0
            )
        end
    end
    answer(applet, "text/plain; version=0.0.4", table.concat(lines, "\n") .. "\n")
end)

local function escaped(text)
    return (tostring(text):gsub("[&<>\"']", function(character)
        return string.format("&#%d;", character:byte())
    end))
end

local function described(service)
    local rows = {}
    for _, slot in ipairs(service.slots) do
        if slot.used then
            local status = slots.status_in(slot)
            table.insert(
                rows,
                string.format(
                    '<tr><td>%s</td><td>%s</td><td class="%s">%s</td><td>%d</td></tr>',
                    escaped(slot.name),
                    escaped(slot.key),
                    slots.is_up(status) and "up" or "down",
                    escaped(status),
                    slot.weight
                )
            )
        end
    end
    local said = {}
    if service.updated then
        table.insert(said, string.format("%s said so %.1f s ago.", source, now() - service.updated))
    elseif service.recalled then
        table.insert(said, string.format("These are the servers of before: %s has not answered yet.", source))
    else
        table.insert(said, source .. " has not answered yet.")
    end
    if service.trouble then
        table.insert(said, '<strong class="down">' .. escaped(service.trouble) .. "; what was there stays.</strong>")
    end
    if service.held then
        table.insert(said, string.format('<strong class="down">Instances that %s no longer names still answer; held back.</strong>', source))
    end
    if service.unplaced > 0 then
        table.insert(said, string.format('<strong class="down">No server is left for %d instances.</strong>', service.unplaced))
    end
    return string.format(
        "<h2>%s</h2><p>%d of %d servers in use. %s</p>"
            .. "<table><thead><tr><th>server</th><th>instance</th><th>check</th><th>weight</th></tr></thead><tbody>%s</tbody></table>",
        escaped(service.name),
        count(service.slot_of),
        #service.slots,
        table.concat(said, " "),
        table.concat(rows)
    )
end

local page = [[<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Discovery</title><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width"><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }
td { font-variant-numeric: tabular-nums; } .up { color: #176b2c; } .down { color: #a3161f; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #1b1b1d; } th, td { border-color: #444; } .up { color: #6fd08c; } .down { color: #ff8f8f; } }
</style></head><body><h1>What HAProxy knows of its services</h1>%s</body></html>
]]

core.register_service("discovery-status", "http", function(applet)
    local all = {}
    for _, service in ipairs(services) do
        table.insert(all, described(service))
    end
    answer(applet, "text/html; charset=utf-8", string.format(page, table.concat(all)))
end)
