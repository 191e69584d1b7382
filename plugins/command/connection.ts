import { createHash } from "node:crypto";

import { integer, number, object, pause, string, type Property } from "../lib";

import type { ClientChannel, Client, ConnectConfig } from "ssh2";
import type { ResourceLog } from "../lib";

export interface Connection {
    host: string;
    port: number;
    user: string;
    password?: string;
    privateKey?: string;
    privateKeyPassword?: string;
    agentSocketPath?: string;
    hostKey?: string;
    dialErrorLimit: number;
    perDialTimeout: number;
}

export const connection: Property = object(
    {
        host: string({ required: true }),
        port: number({ default: 22 }),
        user: string({ default: "root" }),
        password: string({ secret: true }),
        privateKey: string({ secret: true }),
        privateKeyPassword: string({ secret: true }),
        agentSocketPath: string(),
        hostKey: string(),
        dialErrorLimit: integer({ default: 10 }),
        perDialTimeout: integer({ default: 15 }),
    },
    { required: true, secret: true },
);

/** Between two attempts: grows by half from a tenth of a second to five, as the official plugin's do. */
const firstPause = 100;
const longestPause = 5000;

/** A failure that another attempt cannot mend. */
class Final extends Error {}

/** Connects, retrying up to the limit. A host key that differs, or a key that cannot be read, fails at once. */
export async function dial(settings: Connection, signal: AbortSignal, log: ResourceLog): Promise<Client> {
    const { default: ssh2 } = await import("ssh2");
    const attemptOnce = prepare(ssh2, settings);
    const limit = settings.dialErrorLimit;
    for (let attempt = 1, wait = firstPause; ; attempt++, wait = Math.min(wait * 1.5, longestPause)) {
        try {
            return await attemptOnce(signal);
        } catch (error) {
            signal.throwIfAborted();
            const message = (error as Error).message;
            if (error instanceof Final) {
                throw new Error(`${address(settings)}: ${message}`, { cause: error });
            }
            if (limit >= 0 && attempt > limit) {
                throw new Error(`${address(settings)}: after ${attempt} failed attempts: ${message}`, {
                    cause: error,
                });
            }
            log.status(`Dial ${attempt}/${limit < 0 ? "inf" : limit} failed: retrying (${message})`);
            await pause(wait, signal);
        }
    }
}

/** Reads the keys, and returns what makes one attempt. */
function prepare({ Client, utils }: Ssh2, settings: Connection): (signal: AbortSignal) => Promise<Client> {
    const pinned = settings.hostKey === undefined ? undefined : parseHostKey(utils, settings.hostKey);
    const config: ConnectConfig = {
        host: settings.host,
        port: settings.port,
        username: settings.user,
        readyTimeout: settings.perDialTimeout * 1000,
        keepaliveInterval: 15_000,
        // Asking for the pinned kind of key only: a server has several.
        ...(pinned && { algorithms: { serverHostKey: signatureAlgorithms(pinned.type) } }),
        ...credentials(utils, settings),
    };
    return (signal) =>
        new Promise((resolve, reject) => {
            signal.throwIfAborted();
            const client = new Client();
            let presented: string | undefined;
            const settle = (settled: () => void): void => {
                signal.removeEventListener("abort", abort);
                settled();
            };
            const abort = (): void => {
                client.destroy();
                reject(signal.reason as Error);
            };
            signal.addEventListener("abort", abort, { once: true });
            client.once("ready", () => settle(() => resolve(client)));
            client.on("error", (error) => {
                client.destroy();
                settle(() => reject(pinned ? explainHostKey(error, pinned, presented) : error));
            });
            client.on("keyboard-interactive", (_name, _instructions, _language, prompts, answer) =>
                answer(prompts.map(() => settings.password ?? "")),
            );
            const hostVerifier = (key: Buffer): boolean => {
                presented = fingerprint(key);
                return pinned === undefined || key.equals(pinned.data);
            };
            client.connect({ ...config, hostVerifier });
        });
}

/** A refused host key is final, and says what was expected; anything else is the error as it was. */
function explainHostKey(error: Error, pinned: HostKey, presented: string | undefined): Error {
    const refused = presented !== undefined && presented !== fingerprint(pinned.data);
    if (!refused && !/no matching host key/i.test(error.message)) {
        return error;
    }
    return new Final(
        `the host key does not match connection.hostKey: expected ${pinned.type} ${fingerprint(pinned.data)}, ` +
            `got ${presented ?? "no key of that type"}; this is another machine, or someone stands between`,
    );
}

interface HostKey {
    type: string;
    data: Buffer;
}

type Ssh2 = typeof import("ssh2");
type Utils = Ssh2["utils"];

function credentials(utils: Utils, settings: Connection): Partial<ConnectConfig> {
    const agent = settings.agentSocketPath ?? process.env.SSH_AUTH_SOCK;
    if (settings.privateKey !== undefined) {
        const key = utils.parseKey(settings.privateKey, settings.privateKeyPassword);
        if (key instanceof Error) {
            throw new Error(`connection.privateKey cannot be used: ${key.message}`);
        }
    }
    return {
        ...(settings.privateKey !== undefined && {
            privateKey: settings.privateKey,
            passphrase: settings.privateKeyPassword,
        }),
        ...(settings.password !== undefined && { password: settings.password, tryKeyboard: true }),
        ...(agent && settings.privateKey === undefined && { agent }),
    };
}

/** A line as in authorized_keys: type, base64, perhaps a comment. */
function parseHostKey(utils: Utils, line: string): HostKey {
    const key = utils.parseKey(line.trim());
    const single = Array.isArray(key) ? key[0] : key;
    if (single === undefined || single instanceof Error) {
        throw new Error(
            `connection.hostKey is not a public key such as "ssh-ed25519 AAAA…": ${single?.message ?? "it is empty"}`,
        );
    }
    return { type: single.type, data: single.getPublicSSH() };
}

/** One RSA key signs in three ways. */
function signatureAlgorithms(type: string): never {
    return (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type]) as never;
}

function fingerprint(key: Buffer): string {
    return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

export function address(settings: Connection): string {
    return `ssh ${settings.user}@${settings.host}:${settings.port}`;
}

export type { Client, ClientChannel };
