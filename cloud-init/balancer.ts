import { fromDebian, fromHashicorp, type Role } from "./packages";

/**
 * A machine with a balancer and a resolver of its own (components/balancers/node-balancer.ts). Their units and
 * configuration come over SSH.
 */
export function balancerHost(): Role {
    return {
        requires: [
            fromDebian("haproxy"),
            // For HAProxy's Lua; the package has no program.
            fromDebian("lua-cjson", "/usr/share/lua/5.3/cjson/util.lua"),
            // Not the package dnsmasq, which brings a unit.
            fromDebian("dnsmasq-base", "dnsmasq"),
            fromDebian("socat"),
            // Tells when certificates end, and encrypts snapshots.
            fromDebian("openssl"),
            fromHashicorp("consul-template"),
        ],
    };
}
