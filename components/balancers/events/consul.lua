--[[
Consul as the source of instances: for each service a question that Consul answers when something has changed (a blocking
query of `/v1/health/service/<name>`).
]]

local consul, wait, answers = ...

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

-- Returns what an answer says; or nil, the kind of error and what is to be said of it.
local function understood(service, response)
    local status = response and response.status
    local index = response and tonumber(header(response, "x-consul-index"))
    if status ~= 200 then
        -- HAProxy's own answer when nobody listens is a 503, too, but has nothing of Consul's.
        if (status or 0) == 0 or (status == 503 and not index) then
            return nil, "unreachable", "Consul does not answer"
        end
        local said = (response.body or ""):gsub("[^%g ]", " "):sub(1, 100)
        return nil, status == 403 and "forbidden" or "status", string.format("Consul answers %d: %s", status, said)
    end
    if header(response, "x-consul-results-filtered-by-acls") == "true" then
        return nil, "forbidden", "the token may not see all instances"
    end
    if index == nil then
        return nil, "answer", "an answer without an index"
    end
    local answer, problem = answers.understand(response.body, service.tag)
    if not answer then
        return nil, "answer", "an answer that makes no sense: " .. problem
    end
    -- An index that goes backwards is a Consul that was restored: from the beginning.
    service.index = (index < service.index or index < 1) and 0 or index
    return answer
end

local function ask(service)
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
    return understood(service, core.httpclient():get({ url = address_of(service), headers = headers, timeout = timeout }))
end

local function forget(service)
    service.index = 0
end

return { ask = ask, forget = forget }
