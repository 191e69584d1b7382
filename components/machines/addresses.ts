import * as ipaddr from "ipaddr.js";

/**
 * Groups of machines, with the offset that their numbers are added to: `server-1` is host 11 of its subnet and
 * `client-2` host 22, in every stack and whatever other machines there are.
 */
const groups: Record<string, { base: number; size: number }> = {
    server: { base: 10, size: 9 },
    client: { base: 20, size: 79 },
    web: { base: 100, size: 9 },
    backend: { base: 110, size: 9 },
    etcd: { base: 120, size: 9 },
    app: { base: 130, size: 19 },
    balancer: { base: 150, size: 9 },
};

/** Machines of any other name share the hosts from here … */
const firstOther = 160;
/** … to here. */
const lastOther = 249;

/** The network's own hosts. */
export const gatewayOffset = 1;
export const registryOffset = 2;

const namePattern = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

/**
 * The host number of a machine in its subnet, 11 to 249: a function of the name alone, so that adding or removing
 * a machine never moves another. Names of a known group and a number (`server-1`, `web2`) have reserved numbers;
 * others are spread over 160 to 249 by their hash, and {@link AddressBook} refuses two that meet.
 *
 * @throws when the name cannot be a host name, or its number is beyond its group's range.
 */
export function hostOffset(machineName: string): number {
    if (!namePattern.test(machineName)) {
        throw new Error(
            `Machine name "${machineName}": must be lower-case letters, digits and hyphens, at most 32, ` +
                `starting with a letter and not ending with a hyphen.`,
        );
    }
    const numbered = /^([a-z]+)-?([1-9]\d*)$/.exec(machineName);
    const group = numbered && Object.hasOwn(groups, numbered[1]!) ? groups[numbered[1]!] : undefined;
    if (numbered && group) {
        const number = Number(numbered[2]);
        if (number > group.size) {
            throw new Error(
                `Machine name "${machineName}": machines called ${numbered[1]} are numbered 1 to ${group.size}.`,
            );
        }
        return group.base + number;
    }
    return firstOther + (fnv1a(machineName) % (lastOther - firstOther + 1));
}

/** Hands out the addresses of one subnet and remembers whose they are. */
export class AddressBook {
    private readonly owners = new Map<number, string>();
    private readonly network: number[];

    /** @param subnet the network in CIDR notation, /24 or larger, e.g. `10.213.0.0/24` */
    constructor(subnet: string) {
        const [, prefix] = ipaddr.IPv4.parseCIDR(subnet);
        if (prefix > 24) {
            throw new Error(`Subnet ${subnet}: too small for the lab's machines; use /24 or larger.`);
        }
        this.network = ipaddr.IPv4.networkAddressFromCIDR(subnet).toByteArray();
    }

    /** The address of a fixed host of the network itself. */
    at(offset: number): string {
        const bytes = [...this.network];
        bytes[3] = bytes[3]! + offset;
        return bytes.join(".");
    }

    /**
     * The machine's host number, now its own.
     *
     * @throws when another machine's name leads to the same number.
     */
    offsetOf(machineName: string): number {
        const offset = hostOffset(machineName);
        const owner = this.owners.get(offset) ?? machineName;
        if (owner !== machineName) {
            throw new Error(
                `Machines "${owner}" and "${machineName}" would share the address ${this.at(offset)}; ` +
                    `rename one of them.`,
            );
        }
        this.owners.set(offset, machineName);
        return offset;
    }

    addressOf(machineName: string): string {
        return this.at(this.offsetOf(machineName));
    }
}

/** FNV-1a, 32 bits: short, stable, and spreads short names well. */
function fnv1a(text: string): number {
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(text)) {
        hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    }
    return hash;
}
