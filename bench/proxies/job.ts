import type { Role } from "../scene";

/** What every proxy of the comparison has to do. */
export interface Job {
    backends: Backend[];
    /** With it the proxies speak TLS (1.2 or later, HTTP/2 offered) and nothing else. */
    tls?: Certificate;
}

/** A web server on loopback. */
export interface Backend {
    /** What it calls itself, and the session cookie's value where a proxy lets that be chosen. */
    name: string;
    port: number;
}

/** PEM. */
export interface Certificate {
    chain: string;
    key: string;
}

/** A proxy that is measured. */
export interface Proxy {
    /** As the table calls it. */
    name: string;
    url: string;
    role: Role;
}

/** The session cookie's name. */
export const cookie = "SERVERID";

/** Mozilla's intermediate list of ciphers up to TLS 1.2, those for the certificate's kind of key. */
export const ciphers = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];

/** Seconds that browsers are told to insist on HTTPS. */
export const hstsSeconds = 63_072_000;

/** Writes files from the environment and becomes the program: no image has to be built for a configuration. */
export function withFiles(files: Record<string, string>, program: string): Pick<Role, "env" | "command"> {
    const names = Object.keys(files);
    const writes = names.map((name, n) => `printf %s "$FILE${n}" > ${name}`);
    return {
        env: Object.fromEntries(names.map((name, n) => [`FILE${n}`, files[name] ?? ""])),
        command: ["-c", [...writes, `exec ${program}`].join("\n")],
    };
}

/** Its address on loopback. */
export function address(port: number, tls: unknown): string {
    return `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/`;
}
