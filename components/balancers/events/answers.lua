--[[
What Consul's answer to `/v1/health/service/<name>` says of instances. Pure: knows nothing of HAProxy.
]]

local json = require("cjson.safe")

-- HAProxy's own weights end at 256.
local most_weight = 256

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

-- Returns {known = {[key] = "wanted" or "critical"}, wanted = {{key, address, port, weight, why, node}}, unusable = n} or
-- nil and what is wrong.
local function understand(body, tag)
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
        if not tag or has_tag(instance.Tags, tag) then
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
                        node = node.Node,
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

return { understand = understand, is_address = is_address }
