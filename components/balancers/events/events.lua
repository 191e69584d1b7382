--[[
HAProxy follows Consul or etcd by itself: a task for each service holds a question open and puts what it is told into the
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
      or, instead of Consul (etcd.lua, entries.lua):
      "etcd": {"address": "127.0.0.1", "port": 2378, "user": "balancer", "password": "…"},
      "services": [{"name": "web", "backend": "web", "entries": {…}}],
      "guard": {"minimumShare": 0.5, "hold": 60},
      "wait": 5,                       seconds that an answer may be held back; an old worker ends after them
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

-- Milliseconds between two attempts after an error: doubled from one to the next, and a random half of it.
local first_pause, longest_pause = 100, 10000

-- Milliseconds between two looks at what cannot be done at once, and from a change until it is written down.
local pace, collect = 200, 20

-- Seconds that requests wait for the source's word where the servers of before are known.
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

-- Who is asked, as it is called in the log and on the page.
local name = settings.etcd and "etcd" or "Consul"

local answers = part("answers")
local source = settings.etcd
        and part("etcd", settings.etcd, settings.wait, now, say, part("base64"), part("entries"))
    or part("consul", settings.consul, settings.wait, answers)
local slots = part("slots", settings.guard, now, say, name)
local memory = part("memory", settings.state, answers.is_address, slots.fill, say)
part("pages", services, slots, now, name)

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

-- Puts an answer into the servers.
local function take(service, answer)
    local arrived = now()
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
        become_ready(name .. " has named the instances of all services")
    end
end

local function pause_after(errors)
    local longest = math.min(longest_pause, first_pause * 2 ^ math.min(errors - 1, 20))
    return math.floor(longest * (0.5 + math.random() / 2))
end

local function watch(service)
    local errors = 0
    while not finished() do
        local kind, text
        local done, problem = pcall(function()
            local answer
            answer, kind, text = source.ask(service)
            if answer and not finished() then
                take(service, answer)
            end
        end)
        if not done then
            kind, text = "internal", tostring(problem)
        end
        if kind then
            errors = errors + 1
            service.errors[kind] = (service.errors[kind] or 0) + 1
            if service.trouble ~= text then
                service.trouble = text
                say(core.warning, string.format("%s: %s; what was there stays", service.name, text))
            end
            -- One that is back is asked for all that there is, at once.
            source.forget(service)
            core.msleep(pause_after(errors))
        else
            if service.trouble then
                say(core.notice, string.format("%s: %s answers again", service.name, name))
                service.trouble = nil
            end
            errors = 0
        end
    end
    source.forget(service)
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
            become_ready(string.format("%s has not answered for %g s", name, patience))
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
