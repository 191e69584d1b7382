--[[
etcd as the source of instances: for each service a watch that etcd answers the moment that a key below the prefix changes,
and after that the question what there is. Both go to etcd's JSON gateway by way of a section of the same configuration,
which has TLS, the certificate and the choice of a member (README.md).

A watch ends after `wait` seconds without a change, and everything is asked for again: so an old worker ends, and what a
watch may have missed is found.
]]

local etcd, wait, now, say, base64, entries = ...

local json = require("cjson.safe")

-- Seconds for an answer; entries that are looked at, at the most; those left out that are logged; milliseconds after a
-- watch that told nothing.
local patience, most, shown, pause = 5, 5000, 20, 100

-- HAProxy's own client stops in the middle of an answer that is longer than some buffers (2.6.12). So entries are asked
-- for in pages that fit into one, and the section between puts this status in the place of what does not.
local page, too_long = 40, 507

local token = nil

local function headers_for(path)
    local headers = { ["Content-Type"] = "application/json" }
    if token and path ~= "/v3/auth/authenticate" then
        headers["Authorization"] = token
    end
    return headers
end

-- The status and what was said.
local function question(path, body)
    local headers = {}
    for name, value in pairs(headers_for(path)) do
        headers[name:lower()] = { value }
    end
    local url = string.format("http://%s:%d%s", etcd.address, etcd.port, path)
    local asked = { url = url, headers = headers, body = json.encode(body), timeout = patience * 1000 }
    local response = core.httpclient():post(asked)
    local status = response and response.status or 0
    return status > 0 and status or nil, json.decode(response and response.body or "")
end

local function error_of(said)
    local error = type(said) == "table" and (said.error or said.message)
    return (type(error) == "table" and error.message) or error or ""
end

-- Nil, the kind of error and what is to be said of it.
local function failure(status, said)
    -- HAProxy's own answers when no member is well are none of etcd's.
    if status == nil or (type(said) ~= "table" and status >= 502) then
        return nil, "unreachable", "etcd does not answer"
    end
    local text = tostring(error_of(said)):gsub("[^%g ]", " "):sub(1, 100)
    local forbidden = status == 401 or status == 403 or text:match("auth") or text:match("user name is empty")
    return nil, forbidden and "forbidden" or "status", string.format("etcd answers %d: %s", status, text)
end

-- Members forget tokens when they start anew, and after some minutes without a question. A new cluster has no users yet.
local function authenticate()
    token = nil
    local status, said = question("/v3/auth/authenticate", { name = etcd.user, password = etcd.password })
    if status == 200 and type(said) == "table" and type(said.token) == "string" then
        token = said.token
    elseif not error_of(said):match("authentication is not enabled") then
        return failure(status, said)
    end
    return true
end

local function end_watch(service)
    if service.watch then
        service.watch:close()
        service.watch = nil
    end
end

local function forget(service)
    end_watch(service)
    service.revision = nil
end

-- What is left out is logged when it appears.
local function report(service, answer)
    local before, count = service.left_out or {}, 0
    for key, why in pairs(answer.left_out) do
        if before[key] ~= why then
            count = count + 1
            if count <= shown then
                local name = key:sub(1, 120):gsub("[^%g ]", "?")
                say(core.warning, string.format("%s: left out: %s: %s", service.name, name, why))
            end
        end
    end
    service.left_out = answer.left_out
end

local function end_of(prefix)
    return base64.encode(prefix:sub(1, -2) .. string.char(prefix:byte(-1) + 1))
end

-- Asks as a user, once more if its token is not known any more. Returns the status and what was said; or nil, the kind of
-- error and what is to be said of it.
local function known_question(path, body)
    for attempt = 1, 2 do
        if not token then
            local done, kind, text = authenticate()
            if not done then
                return nil, kind, text
            end
        end
        local status, said = question(path, body)
        if status == 200 or status == too_long then
            return status, said
        end
        local lost = error_of(said)
        if attempt == 2 or not (lost:match("auth token") or lost:match("user name is empty") or lost:match("auth store")) then
            return failure(status, said)
        end
        token = nil
    end
end

-- All entries, as they were at one moment: {revision, count, entries, long = {keys}}; or nil, the kind of error and what is
-- to be said of it.
local function read_all(prefix)
    local all = { entries = {}, long = {} }
    local from, limit, more = prefix, page, true
    while more and #all.entries < most do
        local body = { key = base64.encode(from), range_end = end_of(prefix), limit = limit, revision = all.revision }
        local status, said, text = known_question("/v3/kv/range", body)
        if status == too_long and limit == 1 then
            -- No instance's; its name is enough.
            body.keys_only = true
            status, said, text = known_question("/v3/kv/range", body)
        end
        if not status then
            return nil, said, text
        elseif status == too_long and limit == 1 then
            return nil, "answer", "an entry has too long a key"
        elseif status == too_long then
            limit = 1
        else
            if type(said) ~= "table" or type(said.header) ~= "table" or not tonumber(said.header.revision) then
                return nil, "answer", "an answer without a revision"
            end
            all.revision = all.revision or said.header.revision
            all.count = all.count or tonumber(said.count) or 0
            for _, each in ipairs(type(said.kvs) == "table" and said.kvs or {}) do
                local key, value = base64.decode(each.key), base64.decode(each.value or "")
                if not key or not value then
                    return nil, "answer", "an answer that makes no sense: a key is no base64"
                end
                if body.keys_only then
                    table.insert(all.long, key)
                    limit = page
                else
                    table.insert(all.entries, { key = key, value = value })
                end
                from = key .. "\0"
            end
            more = said.more == true
        end
    end
    return all
end

-- What there is.
local function look(service)
    local all, kind, text = read_all(service.entries.prefix)
    if not all then
        return nil, kind, text
    end
    service.read = service.read or entries.reader(service.entries)
    local answer = service.read(all.entries)
    for _, key in ipairs(all.long) do
        answer.left_out[key] = "it is too long"
    end
    answer.unusable = all.count - #answer.wanted
    report(service, answer)
    service.revision = tonumber(all.revision)
    return answer
end

-- The connection of a watch, and the status of its answer, whose body follows; or nil. HAProxy's own client gives its caller
-- an answer when all of it is there, which this one never is. HTTP/1.0: nothing stands between the pieces of what follows.
local function watch_from(service, revision)
    local socket = core.tcp()
    socket:settimeout(wait)
    if not socket:connect(etcd.address, etcd.port) then
        socket:close()
        return nil
    end
    local path = "/v3/watch"
    local prefix = service.entries.prefix
    local create = { key = base64.encode(prefix), range_end = end_of(prefix), start_revision = tostring(revision) }
    local text = json.encode({ create_request = create })
    local head = { string.format("POST %s HTTP/1.0", path), "Host: etcd", "Content-Length: " .. #text }
    for name, value in pairs(headers_for(path)) do
        table.insert(head, name .. ": " .. value)
    end
    -- A member that has lost its leader ends a watch instead of waiting for it.
    table.insert(head, "Grpc-Metadata-Hasleader: true")
    socket:send(table.concat(head, "\r\n") .. "\r\n\r\n" .. text)
    local status = tonumber((socket:receive("*l") or ""):match("^HTTP/1%.%d (%d%d%d)"))
    repeat
        local line = socket:receive("*l")
    until line == nil or line:match("^%s*$")
    return socket, status
end

-- Waits until something has changed since the last look, or for `wait` seconds. Returns false when that broke off, else
-- whether something was said.
local function watched(service)
    local socket, status = watch_from(service, service.revision + 1)
    if not socket then
        return false
    end
    service.watch = socket
    local asked = now()
    -- The first line says that the watch is there. What comes next is not read: it may be longer than HAProxy's buffer, and
    -- the next look tells all of it.
    local there = status == 200 and socket:receive("*l")
    local said = there and socket:receive(1) ~= nil
    end_watch(service)
    if not there or not (said or now() - asked >= wait / 2) then
        return false
    end
    return true, said
end

local function ask(service)
    local before = service.revision
    if not before then
        return look(service)
    end
    local done, said = watched(service)
    if not done then
        return nil, "unreachable", "etcd's word on changes broke off"
    end
    local answer, kind, text = look(service)
    if said and service.revision == before then
        -- No change, but the end of the watch. Not at once again.
        core.msleep(pause)
    end
    return answer, kind, text
end

return { ask = ask, forget = forget }
