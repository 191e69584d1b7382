# Decides which services of a rendered configuration are believed, and keeps the accepted section of those that are not.
#
# The template says for each service what the catalogue listed, around the lines that belong to it:
#
#   #guard service <name> known <instances listed> passing <instances rendered>
#   …
#   #guard end
#
# and, where the services themselves come from the catalogue, once for all: `#guard list <name> known <services>`. A
# configuration that has nothing from the catalogue says `#guard none` instead.
#
# A list that is suddenly empty, or shorter than `share` of the accepted one, is held back: Consul may have lost its data
# or see only a part of it. After `hold` hundredths of a second an unchanged list is believed. A list that still has
# instances of which none passes says something: it is believed at once.
#
# Input: phase=old, the accepted configuration; phase=holds, what is held back; phase=new, the rendered one.
# Output: the configuration to use in the file `result`, what is held back in `holds`; the events of this look printed.
# Ends with 0; 1 if there is no guard line or an open section; 3 if a whole list is held back.

function believed(key, known, passing, before) {
    before = oldKnown[key] + 0
    if (share == 0 || before == 0 || (known > 0 && (passing == 0 || known >= before * share))) {
        if (key in since) {
            print "released", key, known, before
        }
        return 1
    }
    # Only a list that became shorter still starts the time anew: one that changes all the time must not hold for ever.
    if (!(key in since) || known < heldKnown[key]) {
        print "held", key, known, before
        since[key] = now
        heldKnown[key] = known
    }
    if (since[key] > now) {
        since[key] = now # the system has started anew
    }
    if (now - since[key] >= hold) {
        print "believed", key, known, before
        return 1
    }
    holding = holding key " " heldKnown[key] " " since[key] "\n"
    return 0
}

phase == "holds" {
    heldKnown[$1] = $2
    since[$1] = $3
    next
}

phase == "old" {
    if ($1 == "#guard" && $2 != "end") {
        oldKnown[$2 ":" $3] = $5 + 0
    }
    if ($1 == "#guard" && $2 == "service") {
        section = $3
    }
    if (section != "") {
        oldText[section] = oldText[section] $0 "\n"
    }
    if ($1 == "#guard" && $2 == "end") {
        section = ""
    }
    next
}

$1 == "#guard" && $2 == "list" {
    marks++
    if (!believed("list:" $3, $5 + 0, -1)) {
        whole = 1
    }
}

$1 == "#guard" && $2 == "service" {
    marks++
    open = $3
    skipping = !believed("service:" $3, $5 + 0, $7 + 0)
    if (skipping) {
        text = text oldText[$3]
    }
}

$1 == "#guard" && $2 == "none" {
    marks++
}

!skipping {
    text = text $0 "\n"
}

$1 == "#guard" && $2 == "end" {
    open = ""
    skipping = 0
}

END {
    if (marks == 0 || open != "") {
        exit 1
    }
    printf "%s", holding > holds
    if (whole) {
        exit 3
    }
    printf "%s", text > result
}
