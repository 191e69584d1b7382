--[[
Which entries of etcd's are believed. Pure; the same rules as confd/haproxy-entries has, word for word: anybody who may
write below an application's prefix may write anything.

    rules = {
      application = "webapp", prefix = "/apps/webapp/",
      network = "10.219.0.0/24",     addresses are of this network, but for `excluded`
      excluded = {"10.219.0.31"},
      ports = {from = 9000, to = 9099},
      maxServers = 64
    }
]]

local function escaped(text)
    return (text:gsub("%p", "%%%0"))
end

-- An address as a number; nil for what is none, or is written in another way than usual.
local function number_of(address)
    local parts = { address:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$") }
    local all = 0
    for _, part in ipairs(parts) do
        if tonumber(part) > 255 or part:match("^0%d") then
            return nil
        end
        all = all * 256 + math.tointeger(tonumber(part))
    end
    return #parts == 4 and all or nil
end

-- The first and the last address of a network; they are nobody's.
local function bounds(network)
    local base, length = network:match("^(.*)/(%d+)$")
    local size = 1 << (32 - math.tointeger(tonumber(length)))
    return number_of(base), number_of(base) + size - 1
end

local function reader(rules)
    local name = escaped(rules.application)
    local key_pattern = "^" .. escaped(rules.prefix) .. name .. "@([1-9]%d?%d?%d?%d?%d?)%.service$"
    local value_pattern = "^" .. name .. "%-(%d+) ([%d.]+):([1-9]%d?%d?%d?%d?)$"
    local first, last = bounds(rules.network)
    local excluded = {}
    for _, address in ipairs(rules.excluded) do
        excluded[address] = true
    end

    -- An instance, or nil and why it is none.
    local function instance_of(key, value)
        local number = key:match(key_pattern)
        if not number then
            return nil, "the key is not <application>@<n>.service"
        end
        local said, address, port = value:match(value_pattern)
        local place = address and number_of(address)
        if said ~= number or not place then
            return nil, "the value is not <application>-<n> <address>:<port> with the key's n"
        end
        if place <= first or place >= last or excluded[address] then
            return nil, "the address is none of an application's"
        end
        if tonumber(port) < rules.ports.from or tonumber(port) > rules.ports.to then
            return nil, "the port is none of the application's"
        end
        return { number = tonumber(number), from = key, key = address .. ":" .. port, address = address, port = port }
    end

    -- Of a list of {key, value}: {known = {[address:port] = "wanted"}, wanted = {…}, left_out = {[key] = why}}.
    return function(entries)
        local found, answer = {}, { known = {}, wanted = {}, left_out = {} }
        for _, entry in ipairs(entries) do
            local instance, why = instance_of(entry.key, entry.value)
            if instance then
                table.insert(found, instance)
            else
                answer.left_out[entry.key] = why
            end
        end
        table.sort(found, function(a, b)
            return a.number < b.number
        end)
        for _, each in ipairs(found) do
            if answer.known[each.key] then
                answer.left_out[each.from] = "another entry has this address and port"
            elseif #answer.wanted == rules.maxServers then
                answer.left_out[each.from] = string.format("there are %d already", rules.maxServers)
            else
                answer.known[each.key] = "wanted"
                each.weight, each.why = 1, "registered"
                table.insert(answer.wanted, each)
            end
        end
        return answer
    end
end

return { reader = reader }
