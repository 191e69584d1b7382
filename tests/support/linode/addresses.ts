/** A range of IPv4 addresses as two numbers. */
export interface Range {
    first: number;
    last: number;
    prefix: number;
}

/** What the platform's NodeBalancers call from, and what its private addresses are taken from. */
export const privateRange = "192.168.128.0/17";
export const balancerSource = "192.168.255.0/24";

export function toNumber(address: string): number | undefined {
    const parts = address.split(".");
    const valid = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
    return valid ? parts.reduce((value, part) => value * 256 + Number(part), 0) : undefined;
}

export function toAddress(value: number): string {
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** The range that `address/prefix` names, or nothing when it names none or has host bits set. */
export function parseRange(cidr: string): Range | undefined {
    const [address = "", prefixText = ""] = cidr.split("/");
    const first = toNumber(address);
    const prefix = Number(prefixText);
    if (first === undefined || !/^\d{1,2}$/.test(prefixText) || prefix > 32) {
        return undefined;
    }
    const size = 2 ** (32 - prefix);
    return first % size === 0 ? { first, last: first + size - 1, prefix } : undefined;
}

export function inRange(address: string, cidr: string): boolean {
    const value = toNumber(address);
    const range = parseRange(cidr);
    return value !== undefined && range !== undefined && value >= range.first && value <= range.last;
}

export function overlap(a: Range, b: Range): boolean {
    return a.first <= b.last && b.first <= a.last;
}

export function netmask(prefix: number): string {
    return toAddress(2 ** 32 - 2 ** (32 - prefix));
}

/**
 * Hands out the addresses of one range, one after the other: one that was given back is nobody's for as long as possible,
 * because what still names it (a NodeBalancer's node, for one) belongs to the machine that had it.
 */
export class AddressPool {
    private readonly taken = new Set<number>();
    private readonly range: Range;
    private next: number;

    /** @param reserved how many addresses at the range's start belong to the network itself. */
    constructor(
        readonly cidr: string,
        private readonly reserved: number,
    ) {
        const range = parseRange(cidr);
        if (!range) {
            throw new Error(`"${cidr}" is not a range of IPv4 addresses such as 198.18.0.0/15`);
        }
        this.range = range;
        this.next = this.first;
    }

    take(): string {
        for (let tried = this.first; tried < this.range.last; tried += 1) {
            const value = this.next;
            this.next = value + 1 < this.range.last ? value + 1 : this.first;
            if (!this.taken.has(value)) {
                this.taken.add(value);
                return toAddress(value);
            }
        }
        throw new Error(`no free address is left in ${this.cidr}`);
    }

    private get first(): number {
        return this.range.first + this.reserved;
    }

    release(address: string): void {
        this.taken.delete(toNumber(address) ?? -1);
    }

    contains(address: string): boolean {
        return inRange(address, this.cidr);
    }
}

/** RFC 1918, which subnets of a VPC must be part of. */
const rfc1918 = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((cidr) => parseRange(cidr)!);
const privateNumbers = parseRange(privateRange)!;

/** Whether a VPC's subnet may have this range: part of RFC 1918, /29 or wider, apart from the private addresses. */
export function allowedInVpc(range: Range): boolean {
    return (
        range.prefix <= 29 &&
        rfc1918.some((whole) => range.first >= whole.first && range.last <= whole.last) &&
        !overlap(range, privateNumbers)
    );
}
