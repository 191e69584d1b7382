--[[
Base64, in which etcd's JSON has keys and values. Pure.
]]

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local value_of = {}
for n = 1, 64 do
    value_of[alphabet:byte(n)] = n - 1
end

local function encode(text)
    local words = {}
    for at = 1, #text, 3 do
        local a, b, c = text:byte(at, at + 2)
        local bits = (a << 16) | ((b or 0) << 8) | (c or 0)
        local word = ""
        for place = 0, 3 do
            local n = (bits >> (18 - 6 * place)) & 63
            word = word .. ((place == 2 and not b or place == 3 and not c) and "=" or alphabet:sub(n + 1, n + 1))
        end
        table.insert(words, word)
    end
    return table.concat(words)
end

-- Nil for what is none.
local function decode(text)
    local padding = type(text) == "string" and #text % 4 == 0 and text:match("^[%w+/]*(=?=?)$")
    if not padding then
        return nil
    end
    local words = {}
    for at = 1, #text, 4 do
        local bits = 0
        for place = 0, 3 do
            bits = (bits << 6) | (value_of[text:byte(at + place)] or 0)
        end
        table.insert(words, string.char(bits >> 16, (bits >> 8) & 255, bits & 255))
    end
    local all = table.concat(words)
    return all:sub(1, #all - #padding)
end

return { encode = encode, decode = decode }
