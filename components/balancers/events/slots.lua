--[[
The servers of a service's backend, which are made in the configuration (`server-template`) and filled from the
source's answers. Called with what is to be known of the settings and of the log; returns its functions.
]]

local guard, now, say, source = ...

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

-- Whether the server is for instances like this one: where `near` names a node, its own go to the servers near<n>, the
-- others to far<n>.
local function takes(service, slot, instance)
    return service.near == nil or (instance.node == service.near) == slot.near
end

-- The one that had the instance before, so that it keeps its counters, else the one that has been free for longest.
local function free_slot(service, instance)
    local best
    for _, slot in ipairs(service.slots) do
        if not slot.used and takes(service, slot, instance) then
            if slot.key == instance.key then
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

-- Keys that are to stay although the source no longer names them: none when the answer is believed as it is.
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
                "%s: %s names %d of %d instances no more, which still answer; held back for %g s",
                service.name,
                source,
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
    local slot = free_slot(service, instance)
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

local function settle(service)
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

-- Puts the service's last answer into its servers; returns whether that has changed anything. One at a time: HAProxy may
-- interrupt a task of Lua's anywhere.
local function apply(service)
    while service.settling do
        core.msleep(1)
    end
    service.settling = true
    local done, result = pcall(settle, service)
    service.settling = false
    return assert(done, result) and result
end

-- A service of the settings with the servers that its backend has.
local function prepare(given)
    local service = {
        name = given.name,
        backend = given.backend,
        tag = given.tag,
        datacenter = given.datacenter,
        near = given.near,
        entries = given.entries,
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
        table.insert(service.slots, {
            name = name,
            server = server,
            near = name:match("^near%d+$") ~= nil,
            used = false,
            freed = 0,
            weight = 1,
        })
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

return { prepare = prepare, apply = apply, fill = fill, status_in = status_in, is_up = is_up }
