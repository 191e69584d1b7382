--[[
HAProxy follows Consul by itself: a task for each service holds a blocking query open and puts what it is told into the
servers of a backend, through HAProxy's own functions. No sidecar, no reload, no polling. README.md says what it promises.

Loaded once (`lua-load`), as root and before the chroot, with the name of its settings in $DISCOVERY_SETTINGS:

    {
      "consul": {"url": "http://127.0.0.1:8500", "token": "…"},
      "services": [{"name": "web", "backend": "web", "tag": "routed", "datacenter": "dc1"}],
      "guard": {"minimumShare": 0.5, "hold": 60},
      "wait": 5,                       seconds that Consul may hold an answer back; an old worker ends after them
      "patience": 5,                   seconds that requests wait for the first state after a start
      "state": "/state/discovery.json" where the last good state is kept, as the workers see it in their chroot; optional
    }
]]

local json = require("cjson.safe")

local settings = (function()
    local path = os.getenv("DISCOVERY_SETTINGS")
    local file = assert(io.open(assert(path, "DISCOVERY_SETTINGS names no file"), "r"))
    local text = file:read("a")
    file:close()
    local found, problem = json.decode(text)
    return assert(found, path .. ": " .. tostring(problem))
end)()

local consul = settings.consul
local guard = settings.guard
local state = settings.state
local wait = settings.wait

-- HAProxy's own weights end at 256.
local most_weight = 256

-- Milliseconds between two attempts after an error: doubled from one to the next, and a random half of it.
local first_pause, longest_pause = 100, 10000

local services = {}
local by_name = {}
local started = nil
local ready = false
local write_problem = nil

local function now()
    local at = core.now()
    return at.sec + at.usec / 1e6
end

local function say(level, text)
    core.log(level, "discovery: " .. text)
end

-- What an answer says ------------------------------------------------------------------------------------------------

local function is_address(text)
    if type(text) ~= "string" then
        return false
    end
    local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
    if a then
        return tonumber(a) > 0 and tonumber(a) < 224 and tonumber(b) < 256 and tonumber(c) < 256 and tonumber(d) < 256
    end
    return text:find(":", 1, true) ~= nil and text:match("^[%x:]+$") ~= nil and #text < 40
end

local function has_tag(tags, tag)
    for _, each in ipairs(type(tags) == "table" and tags or {}) do
        if each == tag then
            return true
        end
    end
    return false
end

-- The worst of an instance's checks, as Consul itself counts.
local function status_of(checks)
    local worst = "passing"
    for _, check in ipairs(type(checks) == "table" and checks or {}) do
        local status = type(check) == "table" and check.Status
        if status == "warning" then
            worst = "warning"
        elseif status ~= "passing" then
            return "critical"
        end
    end
    return worst
end

local function weight_of(weights, status)
    local known = type(weights) == "table" and weights or {}
    local weight = known[status == "warning" and "Warning" or "Passing"]
    return (type(weight) == "number" and weight >= 1) and math.floor(weight) or 1
end

-- Returns {known = {[key] = "wanted" or "critical"}, wanted = {{key, address, port, weight, why}}, unusable = n} or nil and what is wrong.
local function understand(service, body)
    local entries = json.decode(body or "")
    -- An empty object and an empty list are the same once they are tables.
    if type(entries) ~= "table" or not body:match("^%s*%[") then
        return nil, "it is no list"
    end
    local known, wanted, unusable, heaviest = {}, {}, 0, 1
    for _, entry in ipairs(entries) do
        local instance = type(entry) == "table" and entry.Service
        local node = type(entry) == "table" and entry.Node
        if type(instance) ~= "table" or type(node) ~= "table" then
            return nil, "an entry is no instance"
        end
        if not service.tag or has_tag(instance.Tags, service.tag) then
            local address = (instance.Address ~= "" and instance.Address) or node.Address
            local port = instance.Port
            if not is_address(address) or math.type(port) == nil or port < 1 or port > 65535 or port % 1 ~= 0 then
                unusable = unusable + 1
            else
                local key = string.format("%s:%d", address, port)
                local status = status_of(entry.Checks)
                if status ~= "critical" and not (known[key] == "wanted") then
                    local weight = weight_of(instance.Weights, status)
                    heaviest = math.max(heaviest, weight)
                    table.insert(wanted, {
                        key = key,
                        address = address,
                        port = string.format("%d", port),
                        weight = weight,
                        why = status,
                    })
                    known[key] = "wanted"
                else
                    known[key] = known[key] or "critical"
                end
            end
        end
    end
    if #entries > 0 and unusable == #entries then
        return nil, "no instance has an address and a port"
    end
    if heaviest > most_weight then
        for _, each in ipairs(wanted) do
            each.weight = math.max(1, math.floor(each.weight * most_weight / heaviest + 0.5))
        end
    end
    return { known = known, wanted = wanted, unusable = unusable }
end

-- Servers ------------------------------------------------------------------------------------------------------------

local function note(service, text)
    service.changes = service.changes + 1
    say(core.notice, service.name .. ": " .. text)
end

local function set_weight(slot, weight)
    if slot.weight ~= weight then
        slot.server:set_weight(tostring(weight))
        slot.weight = weight
    end
end

local function fill(service, slot, instance)
    slot.server:set_addr(instance.address, instance.port)
    set_weight(slot, instance.weight)
    slot.server:set_ready()
    slot.key, slot.address, slot.port = instance.key, instance.address, instance.port
    slot.used = true
    service.slot_of[slot.key] = slot
end

-- Running requests finish; no new one is sent there.
local function empty(service, slot)
    slot.server:set_maint()
    slot.used = false
    slot.freed = now()
    service.slot_of[slot.key] = nil
end

-- The one that had the instance before, so that it keeps its counters, else the one that has been free for longest.
local function free_slot(service, key)
    local best
    for _, slot in ipairs(service.slots) do
        if not slot.used then
            if slot.key == key then
                return slot
            end
            if best == nil or slot.freed < best.freed then
                best = slot
            end
        end
    end
    return best
end

-- What HAProxy's own checks say.
local function status_in(slot)
    return slot.server:get_stats().status or "?"
end

local function is_up(status)
    return status:match("^UP") ~= nil or status == "no check"
end

-- How much of what was there is gone, and which of it still answers HAProxy's own checks.
local function missing(service, known)
    local before, gone, answering = 0, 0, {}
    for key in pairs(service.known) do
        before = before + 1
        if known[key] == nil then
            gone = gone + 1
            local slot = service.slot_of[key]
            if slot and is_up(status_in(slot)) then
                answering[key] = true
            end
        end
    end
    return before, gone, answering
end

-- Keys that are to stay although Consul no longer names them: none when the answer is believed as it is.
local function held_back(service, known)
    local before, gone, answering = missing(service, known)
    if gone == 0 or (before - gone) >= before * guard.minimumShare or next(answering) == nil then
        service.held = nil
        return {}
    end
    if service.held == nil then
        service.held = now()
        service.holds = service.holds + 1
        say(
            core.warning,
            string.format(
                "%s: Consul names %d of %d instances no more, which still answer; held back for %g s",
                service.name,
                gone,
                before,
                guard.hold
            )
        )
    end
    if now() - service.held >= guard.hold then
        say(core.warning, string.format("%s: believed after %g s", service.name, guard.hold))
        service.held = nil
        return {}
    end
    return answering
end

local function placed(service, instance)
    local slot = free_slot(service, instance.key)
    if slot == nil then
        return false
    end
    local back = slot.key == instance.key
    fill(service, slot, instance)
    note(
        service,
        string.format(
            "%s to %s, %s%s, weight %d",
            instance.key,
            slot.name,
            instance.why,
            back and " again" or "",
            instance.weight
        )
    )
    return true
end

-- Returns whether it has changed anything.
local function apply(service)
    local answer = service.answer
    local changes = service.changes
    local staying = held_back(service, answer.known)
    local wanted = {}
    for _, instance in ipairs(answer.wanted) do
        wanted[instance.key] = instance
    end
    for _, slot in ipairs(service.slots) do
        local key = slot.key
        if slot.used and not wanted[key] and not staying[key] then
            empty(service, slot)
            note(service, string.format("%s from %s, %s", key, slot.name, answer.known[key] or "gone"))
        end
    end
    local unplaced = 0
    for _, instance in ipairs(answer.wanted) do
        local slot = service.slot_of[instance.key]
        if slot == nil then
            if not placed(service, instance) then
                unplaced = unplaced + 1
            end
        elseif slot.weight ~= instance.weight then
            set_weight(slot, instance.weight)
            note(
                service,
                string.format("%s in %s, %s, weight %d", slot.key, slot.name, instance.why, instance.weight)
            )
        end
    end
    if unplaced ~= service.unplaced then
        service.unplaced = unplaced
        if unplaced > 0 then
            say(
                core.alert,
                string.format(
                    "%s: no server is left for %d instances; %d are all that the backend %s has",
                    service.name,
                    unplaced,
                    #service.slots,
                    service.backend
                )
            )
        end
    end
    if service.held == nil then
        service.known = answer.known
    else
        for key in pairs(answer.known) do
            service.known[key] = answer.known[key]
        end
    end
    return service.changes ~= changes
end

-- The last good state ------------------------------------------------------------------------------------------------

-- Written and read by workers: what they write is theirs alone, and root may have no right to read it.
local function remember()
    if not state then
        return
    end
    local all = {}
    for _, service in ipairs(services) do
        local servers = {}
        for _, slot in ipairs(service.slots) do
            if slot.used then
                table.insert(
                    servers,
                    { slot = slot.name, address = slot.address, port = slot.port, weight = slot.weight }
                )
            end
        end
        table.insert(all, { name = service.name, servers = servers })
    end
    local file, problem = io.open(state .. ".new", "w")
    if file then
        file:write(json.encode(all))
        file:close()
        local _, why = os.rename(state .. ".new", state)
        problem = why
    end
    if problem ~= write_problem then
        write_problem = problem
        if problem then
            say(core.warning, "the state cannot be written: " .. problem)
        end
    end
end

local function recall()
    local file = state and io.open(state, "r")
    if not file then
        return
    end
    local all = json.decode(file:read("a"))
    file:close()
    for _, each in ipairs(type(all) == "table" and all or {}) do
        local service = by_name[each.name]
        for _, server in ipairs(service and each.servers or {}) do
            local instance = {
                key = server.address .. ":" .. server.port,
                address = server.address,
                port = server.port,
                weight = server.weight,
            }
            local slot = service.slot_named[server.slot]
            if slot and not slot.used and is_address(server.address) then
                fill(service, slot, instance)
                service.known[instance.key] = "wanted"
                service.recalled = true
            end
        end
    end
end

-- Consul -------------------------------------------------------------------------------------------------------------

local function encoded(text)
    return (text:gsub("[^%w._~-]", function(character)
        return string.format("%%%02X", character:byte())
    end))
end

local function address_of(service)
    local url = string.format(
        "%s/v1/health/service/%s?index=%d&wait=%ds",
        consul.url,
        encoded(service.name),
        service.index,
        wait
    )
    if service.tag then
        url = url .. "&tag=" .. encoded(service.tag)
    end
    if service.datacenter then
        url = url .. "&dc=" .. encoded(service.datacenter)
    end
    return url
end

local function header(response, name)
    local values = response.headers and response.headers[name]
    return values and values[0]
end

local function all_ready()
    for _, service in ipairs(services) do
        if service.updated == nil then
            return false
        end
    end
    return true
end

local function become_ready(why)
    if not ready then
        ready = true
        say(core.notice, "requests are taken: " .. why)
    end
end

-- An old worker that finishes its requests after a reload leaves the state to its successor.
local function stopping()
    return tonumber(core.get_info().Stopping or 0) == 1
end

-- Takes an answer; returns the kind of error and what is to be said of it, or nothing.
local function take(service, response)
    local status = response and response.status
    local index = response and tonumber(header(response, "x-consul-index"))
    if status ~= 200 then
        -- HAProxy's own answer when nobody listens is a 503, too, but has nothing of Consul's.
        if (status or 0) == 0 or (status == 503 and not index) then
            return "unreachable", "Consul does not answer"
        end
        local said = (response.body or ""):gsub("[^%g ]", " "):sub(1, 100)
        return status == 403 and "forbidden" or "status", string.format("Consul answers %d: %s", status, said)
    end
    if header(response, "x-consul-results-filtered-by-acls") == "true" then
        return "forbidden", "the token may not see all instances"
    end
    if index == nil then
        return "answer", "an answer without an index"
    end
    local answer, problem = understand(service, response.body)
    if not answer then
        return "answer", "an answer that makes no sense: " .. problem
    end
    local arrived = now()
    -- An index that goes backwards is a Consul that was restored: from the beginning.
    service.index = (index < service.index or index < 1) and 0 or index
    service.answer = answer
    service.unusable = answer.unusable
    local changed = apply(service)
    service.updated = arrived
    if changed then
        service.lag = now() - arrived
        remember()
    end
    if not ready and all_ready() then
        become_ready("Consul has named the instances of all services")
    end
end

local function pause_after(errors)
    local longest = math.min(longest_pause, first_pause * 2 ^ math.min(errors - 1, 20))
    return math.floor(longest * (0.5 + math.random() / 2))
end

local function watch(service)
    local errors = 0
    while not stopping() do
        local headers = { ["accept"] = { "application/json" } }
        if consul.token then
            headers["x-consul-token"] = { consul.token }
        end
        -- Consul itself adds a sixteenth to the time.
        local timeout = math.floor((wait * 17 / 16 + 5) * 1000)
        local done, kind, text = pcall(function()
            local response =
                core.httpclient():get({ url = address_of(service), headers = headers, timeout = timeout })
            if not stopping() then
                return take(service, response)
            end
        end)
        if not done then
            kind, text = "internal", tostring(kind)
        end
        if kind then
            errors = errors + 1
            service.errors[kind] = (service.errors[kind] or 0) + 1
            if service.trouble ~= text then
                service.trouble = text
                say(core.warning, string.format("%s: %s; what was there stays", service.name, text))
            end
            -- A Consul that is back is asked for all that there is, at once.
            service.index = 0
            core.msleep(pause_after(errors))
        else
            if service.trouble then
                say(core.notice, string.format("%s: Consul answers again", service.name))
                service.trouble = nil
            end
            errors = 0
        end
    end
end

-- What is held back is looked at again, and requests do not wait for ever.
local function look_again()
    while not stopping() do
        core.msleep(200)
        for _, service in ipairs(services) do
            if service.held and apply(service) then
                remember()
            end
        end
        if not ready and now() - started >= settings.patience then
            become_ready(string.format("Consul has not answered for %g s", settings.patience))
        end
    end
end

-- Start --------------------------------------------------------------------------------------------------------------

local function prepare(given)
    local service = {
        name = given.name,
        backend = given.backend,
        tag = given.tag,
        datacenter = given.datacenter,
        index = 0,
        slots = {},
        slot_of = {},
        slot_named = {},
        known = {},
        changes = 0,
        errors = {},
        holds = 0,
        unplaced = 0,
        unusable = 0,
    }
    local backend = assert(core.backends[given.backend], "there is no backend " .. given.backend)
    for name, server in pairs(backend.servers) do
        table.insert(service.slots, { name = name, server = server, used = false, freed = 0, weight = 1 })
    end
    local function number(slot)
        return tonumber(slot.name:match("%d+$")) or 0
    end
    table.sort(service.slots, function(a, b)
        return number(a) < number(b)
    end)
    for _, slot in ipairs(service.slots) do
        service.slot_named[slot.name] = slot
    end
    return service
end

core.register_init(function()
    for _, given in ipairs(settings.services) do
        local service = prepare(given)
        table.insert(services, service)
        by_name[service.name] = service
    end
    core.register_task(function()
        started = now()
        math.randomseed(math.floor(started * 1000) % 2147483647)
        recall()
        local recalled = #services > 0
        for _, service in ipairs(services) do
            recalled = recalled and service.recalled
        end
        if recalled then
            become_ready("with the servers of before")
        end
        for _, service in ipairs(services) do
            core.register_task(function()
                watch(service)
            end)
        end
        look_again()
    end)
end)

-- `http-request lua.discovery-ready`: a request that comes before the first state waits for it.
core.register_action("discovery-ready", { "http-req" }, function(txn)
    while not ready do
        core.msleep(20)
    end
    -- Nobody asks again.
    txn:set_var("proc.discovery", true)
end)

-- What is shown ------------------------------------------------------------------------------------------------------

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
    { "age_seconds", "gauge", "since Consul said how things are", function(s) return s.updated and now() - s.updated or "NaN" end },
    { "lag_seconds", "gauge", "from the last answer that changed something to traffic", function(s) return s.lag or "NaN" end },
    { "slots", "gauge", "servers that the backend has", function(s) return #s.slots end },
    { "slots_used", "gauge", "servers that have an instance", function(s) return count(s.slot_of) end },
    { "unplaced", "gauge", "instances that no server was left for", function(s) return s.unplaced end },
    { "unusable", "gauge", "instances without an address or a port", function(s) return s.unusable end },
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
            local status = status_in(slot)
            table.insert(
                rows,
                string.format(
                    '<tr><td>%s</td><td>%s</td><td class="%s">%s</td><td>%d</td></tr>',
                    escaped(slot.name),
                    escaped(slot.key),
                    is_up(status) and "up" or "down",
                    escaped(status),
                    slot.weight
                )
            )
        end
    end
    local said = {}
    if service.updated then
        table.insert(said, string.format("Consul said so %.1f s ago.", now() - service.updated))
    elseif service.recalled then
        table.insert(said, "These are the servers of before: Consul has not answered yet.")
    else
        table.insert(said, "Consul has not answered yet.")
    end
    if service.trouble then
        table.insert(said, '<strong class="down">' .. escaped(service.trouble) .. "; what was there stays.</strong>")
    end
    if service.held then
        table.insert(said, '<strong class="down">Instances that Consul no longer names still answer; held back.</strong>')
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
