import type { Backend } from "./settings";

const urlVariable = /^BACKEND([1-9]\d*)_URL$/;
const nameVariable = /^BACKEND([1-9]\d*)_NAME$/;

/**
 * The backends among the variables `BACKEND<n>_URL` and `BACKEND<n>_NAME`, in the order of their numbers; gaps are
 * allowed. Tells `wrong` what cannot be used.
 */
export function parseBackends(
    values: Record<string, string | undefined>,
    wrong: (variable: string, message: string) => void,
): Backend[] {
    const given = (name: string): string => values[name]?.trim() ?? "";
    const numbers = (pattern: RegExp): number[] =>
        Object.keys(values)
            .filter((name) => given(name) !== "")
            .flatMap((name) => pattern.exec(name)?.[1] ?? [])
            .map(Number)
            .sort((a, b) => a - b);

    const backends: Backend[] = [];
    const owners = new Map<string, string>();
    for (const number of numbers(urlVariable)) {
        const variable = `BACKEND${number}_URL`;
        const address = parseAddress(given(variable));
        if (typeof address === "string") {
            wrong(variable, address);
            continue;
        }
        const namedBy = `BACKEND${number}_NAME`;
        const name = given(namedBy) || `back${number}`;
        const owner = owners.get(name);
        if (!isBackendName(name)) {
            wrong(namedBy, `must be up to 64 letters, digits, "_", "." and "-", not "${name}"`);
        } else if (owner !== undefined) {
            wrong(namedBy, `"${name}" is also the name of ${owner}; sessions belong to a name`);
        }
        owners.set(name, `BACKEND${number}`);
        backends.push({ name, ...address });
    }
    const withUrl = new Set(numbers(urlVariable));
    for (const number of numbers(nameVariable)) {
        if (!withUrl.has(number)) {
            wrong(`BACKEND${number}_URL`, `is missing for BACKEND${number}_NAME; set it to host:port`);
        }
    }
    return backends;
}

/** Whether HAProxy takes it as the name of a server, and a browser as the value of a cookie. */
export function isBackendName(name: string): boolean {
    return /^[A-Za-z0-9_.-]{1,64}$/.test(name);
}

/** Host and port of `host:port` or `http://host[:port]`, or what is wrong with it. */
export function parseAddress(text: string): { host: string; port: number } | string {
    if (/^https:/i.test(text)) {
        return "backends are spoken to by plain HTTP; use host:port or http://host:port";
    }
    const scheme = /^http:\/\//i.test(text);
    const match = /^([^:/?#@\s]+)(?::(\d+))?$/.exec(text.replace(/^http:\/\//i, "").replace(/\/$/, ""));
    const host = match?.[1] ?? "";
    const port = Number(match?.[2] ?? (scheme ? 80 : NaN));
    if (match === null || Number.isNaN(port)) {
        return "must be host:port or http://host:port";
    }
    if (!isHost(host)) {
        return "must name a host or an IPv4 address";
    }
    if (port < 1 || port > 65535) {
        return "must have a port from 1 to 65535";
    }
    return { host, port };
}

function isHost(host: string): boolean {
    if (/^[\d.]+$/.test(host)) {
        const octets = host.split(".");
        return (
            octets.length === 4 && octets.every((octet) => /^\d{1,3}$/.test(octet) && Number(octet) <= 255)
        );
    }
    // Container names may have underscores, which host names of the Internet may not.
    return host.length <= 253 && host.split(".").every((label) => /^[a-z0-9_]([\w-]{0,61}\w)?$/i.test(label));
}
