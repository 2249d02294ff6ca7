// Variables that functions share.
local fs = []
for (local i = 0; i < 3; i++) {
    local j = i
    fs.append(function() { return i + j++ })
}
foreach (k, v in [1, 2]) fs.append(@() k + v)
function outer(p, q, ...) {
    local sum = p
    local add = function(x) {
        sum += x
        return function() { sum++; q--; p = sum; return vargv[0] }
    }
    try {
        throw add
    } catch (e) {
        fs.append(function() { return e = sum })
    }
    return add
}
function defaults(p, q) {
    local f = function(p = p, q = @() q) { return p + q() }
    return f
}
local function shadow(x) {
    local y = x
    {
        local y = y + 1
        fs.append(@() y)
    }
    fs.append(@() y)
    switch (x) {
        case 1: local z = 1; fs.append(@() z)
        default: local z = 2; fs.append(@() z)
    }
    do { local w = 1; fs.append(@() w) } while (x-- > 0)
    local self
    self = function(n) { return n ? self(n - 1) : this }
    return self
}
fs.append(@() vargv.len())
