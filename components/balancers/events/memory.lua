--[[
The last good state in a file, for the worker that comes after this one. Written and read by workers: what they write is
theirs alone, and root may have no right to read it.
]]

local path, is_address, fill, say = ...

local json = require("cjson.safe")

local trouble = nil

local function written(service)
    local servers = {}
    for _, slot in ipairs(service.slots) do
        if slot.used then
            table.insert(servers, { slot = slot.name, address = slot.address, port = slot.port, weight = slot.weight })
        end
    end
    return json.encode({ name = service.name, servers = servers })
end

-- What has changed (`unsaved`) is put into JSON anew: requests wait for as long as that takes.
local function remember(services)
    if not path then
        return
    end
    local all = {}
    for n, service in ipairs(services) do
        if service.unsaved or not service.written then
            -- First: HAProxy may let another task of Lua's change something meanwhile.
            service.unsaved = false
            service.written = written(service)
        end
        all[n] = service.written
    end
    local file, problem = io.open(path .. ".new", "w")
    if file then
        file:write("[", table.concat(all, ","), "]")
        file:close()
        local _, why = os.rename(path .. ".new", path)
        problem = why
    end
    if problem ~= trouble then
        trouble = problem
        if problem then
            say(core.warning, "the state cannot be written: " .. problem)
        end
    end
end

-- Gives the services the servers that they had, and says of each that it was known. Returns whether all were.
local function recall(services)
    local file = path and io.open(path, "r")
    if not file then
        return false
    end
    local all = json.decode(file:read("a"))
    file:close()
    for _, each in ipairs(type(all) == "table" and all or {}) do
        local service = services[each.name]
        for _, server in ipairs(service and each.servers or {}) do
            local slot = service.slot_named[server.slot]
            if slot and not slot.used and is_address(server.address) then
                local key = server.address .. ":" .. server.port
                fill(service, slot, { key = key, address = server.address, port = server.port, weight = server.weight })
                service.known[key] = "wanted"
            end
        end
        if service then
            service.recalled = true
        end
    end
    for _, service in pairs(services) do
        if not service.recalled then
            return false
        end
    end
    return true
end

return { remember = remember, recall = recall }
