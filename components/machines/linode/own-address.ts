import { BlockList, isIPv4 } from "node:net";

/** Answers with the caller's address in plain text; Amazon's own, which its users are told to use for firewalls. */
export const addressService = "https://checkip.amazonaws.com";

/** In milliseconds. */
const patience = 5000;

/**
 * The address that this program is seen with from outside, as a network for firewalls.
 *
 * @param service what is asked; it answers with nothing but the caller's address
 * @throws an Error whose message is a reason, without a remedy
 */
export async function ownNetwork(service = addressService): Promise<string> {
    let answer: string;
    try {
        const response = await fetch(service, { signal: AbortSignal.timeout(patience) });
        if (!response.ok) {
            throw new Error(`it answers ${response.status}`);
        }
        answer = (await response.text()).trim();
    } catch (error) {
        throw new Error(`${service} cannot be asked for the address of this computer: ${reasonOf(error)}`);
    }
    if (!isIPv4(answer)) {
        throw new Error(
            `${service} does not answer with an IPv4 address, by which machines are reached, ` +
                `but with ${JSON.stringify(answer.slice(0, 60))}`,
        );
    }
    return `${answer}/32`;
}

/** Whether an IPv4 address is in one of these networks of either family, e.g. `203.0.113.0/24`. Pure. */
export function isAmong(address: string, networks: readonly string[]): boolean {
    const list = new BlockList();
    for (const network of networks) {
        const [base = "", length] = network.split("/");
        list.addSubnet(base, Number(length), isIPv4(base) ? "ipv4" : "ipv6");
    }
    return list.check(address, "ipv4");
}

/** fetch hides what went wrong behind "fetch failed". */
function reasonOf(error: unknown): string {
    const { cause, message, name } = error as Error & { cause?: unknown };
    if (name === "TimeoutError") {
        return `no answer within ${patience / 1000} s`;
    }
    return cause instanceof Error ? cause.message : message;
}
