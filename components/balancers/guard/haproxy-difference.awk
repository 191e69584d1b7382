# Compares the configuration that HAProxy runs (phase=old, with the description at its end) with the accepted one
# (phase=new). phase=out is the list of servers that were taken out of the running HAProxy.
#
# Prints `maint <server>` for those that are to be taken out now and `ready <server>` for those to be put back;
# then `same`, `lazy` (all that is left to do is to forget servers that take no traffic) or `urgent`.

function frame(line) {
    sub(/^[ \t]+/, "", line)
    if (line == "" || line ~ /^#/) {
        return
    }
    frames[phase] = frames[phase] line "\n"
}

phase == "out" { out[$1] = 1; next }
$1 == "backend" || $1 == "listen" { proxy = $2 }
$1 == "server" {
    key = proxy "/" $2
    proxyOf[key] = proxy
    if (phase == "old") {
        old[key] = $0
    } else {
        fresh[key] = $0
        wanted[proxy]++
    }
    next
}
{ frame($0) }

END {
    sub(/global\ndescription [^\n]*\n$/, "", frames["old"])
    urgent = frames["old"] != frames["new"]
    for (key in fresh) {
        if (!(key in old) || old[key] != fresh[key]) {
            urgent = 1
        } else {
            kept[proxyOf[key]]++
        }
    }
    for (key in old) {
        if (key in fresh) {
            if (key in out && old[key] == fresh[key]) {
                print "ready", key
            }
            continue
        }
        lazy = 1
        # Old ones go on until the reload if only new ones are to follow: nobody would be there to answer.
        if (!(key in out) && (kept[proxyOf[key]] > 0 || wanted[proxyOf[key]] == 0)) {
            print "maint", key
        }
    }
    print urgent ? "urgent" : lazy ? "lazy" : "same"
}
