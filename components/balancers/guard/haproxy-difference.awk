# Compares the configuration that HAProxy runs (phase=old, with the description at its end) and what has been changed in
# the running worker since it was read (phase=runtime) with the accepted configuration (phase=new). The first line of
# the runtime file names the worker that it is true of; `worker` is the one that runs.
#
# Prints commands for HAProxy, as many on a line as it reads at once: `now <commands>` take servers out or put them back,
# `add <commands>` make new ones, `then <commands>` take out those that had to wait for the new ones. Then `same`, `lazy`
# (HAProxy does all that is asked of it; only its configuration file does not say so) or `urgent` (this takes a reload).
# The runtime file as it is after these commands goes to the file `result`.
#
# Where HAProxy fills the servers by itself (`server-template`), nothing is made or taken out here.
#
# blocked=1 says that a reload has failed a moment ago: what can be done without one is done all the same.

# Comments are none of it, but for what Lua reads.
function frame(text) {
    sub(/^[ \t]+/, "", text)
    if (text != "" && (text !~ /^#/ || text ~ /^#discovery /)) {
        frames[phase] = frames[phase] text "\n"
    }
}

function say(group, command) {
    if (length(line[group]) + length(command) > 8000) {
        full[group] = full[group] group " " line[group] "\n"
        line[group] = ""
    }
    line[group] = line[group] (line[group] == "" ? "" : ";") command
}

function said(group) {
    return full[group] (line[group] == "" ? "" : group " " line[group] "\n")
}

# A server that is made in the running worker has no part in `default-server`.
function make(key, server, address, arguments) {
    sub(/^[ \t]*server[ \t]+[^ \t]+[ \t]+/, "", server)
    match(server, /^[^ \t]+/)
    address = substr(server, 1, RLENGTH)
    arguments = " " defaults[key] substr(server, RLENGTH + 2) " "
    return "add server " key " " address arguments \
        (arguments ~ / check / ? ";enable health " key : "") ";enable server " key
}

# HAProxy 2.6 makes no server with a cookie of its own while it runs.
function static(key) {
    return fresh[key] " " ~ / cookie /
}

function settings(given) {
    sub(/^[ \t]*default-server[ \t]+/, "", given)
    return given " "
}

phase == "runtime" {
    if (FNR == 1) {
        current = $0 == worker
    } else if (current && $1 == "out") {
        out[$2] = 1
    } else if (current) {
        key = $2
        sub(/^in [^ ]+ /, "")
        added[key] = $0
    }
    next
}
$1 == "defaults" { common = ""; proxy = "" }
$1 == "backend" || $1 == "listen" { proxy = $2; own = "" }
phase == "old" { exists[proxy] = 1 }
$1 == "default-server" {
    if (proxy == "") {
        common = common settings($0)
    } else {
        own = own settings($0)
    }
}
$1 == "server" {
    key = proxy "/" $2
    proxyOf[key] = proxy
    if (phase == "old") {
        known[key] = $0
    } else {
        fresh[key] = $0
        defaults[key] = common own
        wanted[proxy]++
    }
    next
}
# Servers that HAProxy fills by itself: who is in them is its affair, and a few more than there have to be do no harm.
$1 == "server-template" {
    filled[proxy] = 1
    sub(/.*-/, "", $3)
    room[phase, proxy, $2] = $3
    if (phase == "new" && $3 + 0 > room["old", proxy, $2] + 0) {
        larger = 1
    }
    $3 = ""
}
{ frame($0) }

END {
    sub(/global\ndescription [^\n]*\n$/, "", frames["old"])
    urgent = larger || frames["old"] != frames["new"]
    for (key in added) {
        known[key] = added[key]
        proxyOf[key] = key
        sub(/\/.*/, "", proxyOf[key])
        lazy = 1
    }
    for (key in fresh) {
        if (key in known && known[key] != fresh[key]) {
            urgent = 1
        } else if (key in known) {
            kept[proxyOf[key]]++
        } else {
            missing[key] = 1
        }
    }
    for (key in missing) {
        if (static(key)) {
            urgent = 1
        }
    }
    waits = urgent && !blocked # the reload brings all that is missing
    for (key in missing) {
        if (waits || !(proxyOf[key] in exists) || proxyOf[key] in filled || static(key)) {
            continue
        }
        lazy = 1
        made[proxyOf[key]] = 1
        added[key] = fresh[key]
        say("add", make(key, fresh[key]))
    }
    print worker > result
    for (key in known) {
        if (key in fresh) {
            if (key in out && known[key] == fresh[key]) {
                say("now", "set server " key " state ready")
                delete out[key]
            }
            continue
        }
        lazy = 1
        if (!(key in out) && !(proxyOf[key] in filled)) {
            # Somebody has to be there to answer: others that stay, or else new ones, which a reload may have to bring.
            group = kept[proxyOf[key]] > 0 || !wanted[proxyOf[key]] ? "now" : made[proxyOf[key]] ? "then" : ""
            if (group != "") {
                say(group, "set server " key " state maint")
                out[key] = 1
            }
        }
    }
    for (key in out) {
        print "out", key > result
    }
    for (key in added) {
        print "in", key, added[key] > result
    }
    printf "%s%s%s", said("now"), said("add"), said("then")
    print urgent ? "urgent" : lazy ? "lazy" : "same"
}
