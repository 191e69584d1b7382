--[[
HAProxy follows Consul by itself: a task for each service holds a blocking query open and puts what it is told into the
servers of a backend, through HAProxy's own functions. No sidecar, no reload, no polling. README.md says what it promises.

Loaded once (`lua-load`), as root and before the chroot, with the name of its settings in $DISCOVERY_SETTINGS:

    {
      "consul": {
        "url": "http://127.0.0.1:8500",
        "token": "…",                  optional
        "serverName": "server.dc1.consul"  what its certificate must say, for https; see README.md
      },
      "services": [{
        "name": "web", "backend": "web",
        "tag": "routed",               only instances that have it; optional
        "datacenter": "dc1",           default: that of the agent that is asked
        "near": "client-1"             instances on this node get the servers near<n>, all others far<n>; optional
      }],
      "guard": {"minimumShare": 0.5, "hold": 60},
      "wait": 5,                       seconds that Consul may hold an answer back; an old worker ends after them
      "patience": 5,                   seconds that requests wait for the first state after a start, at the most
      "state": "/state/discovery.json" where the last good state is kept, as the workers see it in their chroot; optional
    }
]]

local settings = (function()
    local path = os.getenv("DISCOVERY_SETTINGS")
    local file = assert(io.open(assert(path, "DISCOVERY_SETTINGS names no file"), "r"))
    local text = file:read("a")
    file:close()
    local found, problem = require("cjson.safe").decode(text)
    return assert(found, path .. ": " .. tostring(problem))
end)()

local consul = settings.consul
local wait = settings.wait

-- Milliseconds between two attempts after an error: doubled from one to the next, and a random half of it.
local first_pause, longest_pause = 100, 10000

-- Milliseconds between two looks at what cannot be done at once, and from a change until it is written down.
local pace, collect = 200, 20

-- Seconds that requests wait for Consul's word where the servers of before are known.
local short_patience = 0.5

local services = {}
local by_name = {}
local started = nil
local patience = settings.patience
local ready = false
-- Whether the servers are others than those in the file.
local unsaved = false

local function now()
    local at = core.now()
    return at.sec + at.usec / 1e6
end

local function say(level, text)
    core.log(level, "discovery: " .. text)
end

-- The other files are beside this one, wherever that is.
local function part(name, ...)
    local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
    return assert(loadfile(folder .. name .. ".lua"))(...)
end

local answers = part("answers")
local slots = part("slots", settings.guard, now, say)
local memory = part("memory", settings.state, answers.is_address, slots.fill, say)
part("pages", services, slots, now)

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

-- After a reload an old worker finishes its requests. The state is its successor's then.
local function stopping()
    return tonumber(core.get_info().Stopping or 0) == 1
end

-- Some of those requests may wait for the first state still.
local function finished()
    return ready and stopping()
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
    local answer, problem = answers.understand(response.body, service.tag)
    if not answer then
        return "answer", "an answer that makes no sense: " .. problem
    end
    local arrived = now()
    -- An index that goes backwards is a Consul that was restored: from the beginning.
    service.index = (index < service.index or index < 1) and 0 or index
    service.answer = answer
    service.unusable = answer.unusable
    local changed = slots.apply(service)
    service.updated = arrived
    if changed then
        service.unsaved, unsaved = true, true
        -- HAProxy's clock stands still for as long as Lua does not wait.
        core.msleep(1)
        service.lag = now() - arrived
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
    while not finished() do
        local headers = { ["accept"] = { "application/json" } }
        if consul.token then
            headers["x-consul-token"] = { consul.token }
        end
        if consul.serverName then
            -- HAProxy asks for this name, and compares the certificate with it.
            headers["host"] = { consul.serverName }
        end
        -- Consul itself adds a sixteenth to the time.
        local timeout = math.floor((wait * 17 / 16 + 5) * 1000)
        local done, kind, text = pcall(function()
            local response =
                core.httpclient():get({ url = address_of(service), headers = headers, timeout = timeout })
            if not finished() then
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

-- Many changes at once are written down as one, and by one task: HAProxy may interrupt it anywhere.
local function save()
    while true do
        core.msleep(collect)
        if unsaved then
            unsaved = false
            if not stopping() then
                memory.remember(services)
            end
        end
    end
end

-- What is held back is looked at again, and requests do not wait for ever.
local function look_again()
    while not finished() do
        core.msleep(pace)
        for _, service in ipairs(services) do
            if service.held and slots.apply(service) then
                service.unsaved, unsaved = true, true
            end
        end
        if not ready and now() - started >= patience then
            become_ready(string.format("Consul has not answered for %g s", patience))
        end
    end
end

core.register_init(function()
    for _, given in ipairs(settings.services) do
        local service = slots.prepare(given)
        table.insert(services, service)
        by_name[service.name] = service
    end
    core.register_task(function()
        started = now()
        math.randomseed(math.floor(started * 1000) % 2147483647)
        if memory.recall(by_name) then
            patience = math.min(patience, short_patience)
        end
        for _, service in ipairs(services) do
            core.register_task(function()
                watch(service)
            end)
        end
        core.register_task(save)
        look_again()
    end)
end)

-- `http-request lua.discovery-ready`, and `tcp-request content`: what comes before the first state waits for it.
core.register_action("discovery-ready", { "tcp-req", "http-req" }, function(txn)
    while not ready do
        core.msleep(20)
    end
    -- Nobody asks again.
    txn:set_var("proc.discovery", true)
end)
