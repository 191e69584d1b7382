/*
 * What is done on a machine, as shell scripts: the same on every kind of machine. Whatever changes something there has
 * its counterpart in `putBack`, which may run at any time and any number of times.
 */

/** The chain of the packet filter that cuts a machine off. */
const chain = "GATEHOUSE-DRILL";

/** The source of the small disks in the table of mounts, and where they are. */
const smallDisk = "gatehouse-drill";
const staging = "/run/gatehouse-drill";

/** The agents' folders below /var/lib are called as their units. */
const agents = "consul nomad";

/** Ends a unit's main process without a word. Arguments: the unit. */
export const killAgent = `set -eu
systemctl kill --kill-who=main --signal=SIGKILL "$1"
`;

export const stopConsul = `set -eu
systemctl stop consul
`;

export const startConsul = `set -eu
systemctl start consul
`;

/**
 * Drops every packet from and to the addresses that are the arguments, those of containers on the machine, too. A way in
 * for operators stays: theirs is another address.
 */
export const cutOff = `set -eu
iptables --wait --table mangle --new-chain ${chain}
for peer in "$@"; do
    iptables --wait --table mangle --append ${chain} --source "$peer" --jump DROP
    iptables --wait --table mangle --append ${chain} --destination "$peer" --jump DROP
done
# Between them these two see what comes, what goes, and what passes through.
iptables --wait --table mangle --insert PREROUTING --jump ${chain}
iptables --wait --table mangle --insert POSTROUTING --jump ${chain}
`;

const withoutChain = `if iptables --wait --table mangle --numeric --list ${chain} >/dev/null 2>&1; then
    for hook in PREROUTING POSTROUTING; do
        iptables --wait --table mangle --delete "$hook" --jump ${chain} 2>/dev/null || true
    done
    iptables --wait --table mangle --flush ${chain}
    iptables --wait --table mangle --delete-chain ${chain}
fi
`;

/** Ends `cutOff`, and helps nobody who did not get over it. */
export const reconnect = `set -eu
${withoutChain}`;

/**
 * Moves the agents' data to disks of 128 MiB that are memory, so that they can be filled without harm to anybody else's.
 * What is below the mounts stays as it is. Consul's log has room ahead, 64 MiB at a time, which a full disk would not
 * touch for long: the copy is without it, so that the next write already fails.
 */
export const smallDisks = `set -eu
systemctl stop nomad consul
for name in ${agents}; do
    mkdir -p "${staging}/$name"
    mount -t tmpfs -o size=128m,mode=0750 ${smallDisk} "${staging}/$name"
    cp --archive --sparse=always --no-target-directory "/var/lib/$name" "${staging}/$name" 2>/dev/null || {
        echo "the data in /var/lib/$name are too much for a disk of 128 MiB" >&2
        exit 1
    }
    mount --bind "${staging}/$name" "/var/lib/$name"
done
systemctl start consul nomad
`;

/** Fills the small disks, and nothing else, to the last byte. */
export const fillDisks = `set -eu
for name in ${agents}; do
    [ "$(findmnt --noheadings --output FSTYPE --target "/var/lib/$name")" = tmpfs ] || exit 1
done
for name in ${agents}; do
    dd if=/dev/zero of="/var/lib/$name/fill" bs=64k status=none 2>/dev/null || true
    dd if=/dev/zero of="/var/lib/$name/fill-rest" bs=512 status=none 2>/dev/null || true
    df --output=avail "/var/lib/$name" | tail -n 1
done
`;

export const emptyDisks = `set -eu
for name in ${agents}; do
    rm -f "/var/lib/$name/fill" "/var/lib/$name/fill-rest"
done
`;

/**
 * Undoes everything above, whatever of it was done. Data on a small disk are the truth: they go to the machine's own
 * disk before the small one goes, and take the old ones' place in one step.
 */
export const putBack = `set -eu
${withoutChain}for name in ${agents}; do
    folder=/var/lib/$name
    if findmnt --noheadings --output SOURCE --mountpoint "$folder" | grep -q '^${smallDisk}'; then
        rm -f "$folder/fill" "$folder/fill-rest"
        systemctl stop "$name"
        rm -rf "$folder.drill"
        cp --archive --sparse=never --no-target-directory "$folder" "$folder.drill"
        umount "$folder"
        mv "$folder" "$folder.before"
        mv "$folder.drill" "$folder"
    fi
    # Interrupted between the two steps.
    [ -e "$folder" ] || [ ! -e "$folder.drill" ] || mv "$folder.drill" "$folder"
    rm -rf "$folder.before"
    if findmnt --noheadings --mountpoint "${staging}/$name" >/dev/null; then
        umount "${staging}/$name"
    fi
done
rm -rf ${staging}
for name in ${agents}; do
    systemctl reset-failed "$name" 2>/dev/null || true
    systemctl is-active --quiet "$name" || systemctl start "$name"
done
`;
