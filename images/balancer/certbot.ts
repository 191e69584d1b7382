import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { internalPorts, paths } from "./paths";
import type { AcmeSettings } from "./settings";

/** How long one attempt may take. */
const attemptSeconds = 180;

/** Identifies what a certificate was asked for: another domain or another CA is another order. */
export function orderKey(domain: string, directory: string): string {
    return `${domain}-${digest(directory)}`;
}

/** certbot's settings for one order, as an INI file: what is secret must not be seen in the list of processes. */
export function certbotSettings(domain: string, acme: AcmeSettings, folder: string): string {
    const lines: Record<string, string> = {
        "config-dir": join(folder, "config"),
        "work-dir": join(folder, "work"),
        "logs-dir": join(folder, "logs"),
        "max-log-backups": "5",
        server: acme.directory,
        domains: domain,
        "cert-name": domain,
        authenticator: "standalone",
        "preferred-challenges": "http",
        "http-01-address": "127.0.0.1",
        "http-01-port": String(internalPorts.challenge),
        "key-type": "ecdsa",
        "elliptic-curve": "secp256r1",
        "non-interactive": "true",
        "agree-tos": "true",
        // When to renew is decided here (schedule.ts), not by certbot.
        "force-renewal": "true",
        ...(acme.email === undefined
            ? { "register-unsafely-without-email": "true" }
            : { email: acme.email, "no-eff-email": "true" }),
        ...(acme.eab === undefined ? {} : { "eab-kid": acme.eab.kid, "eab-hmac-key": acme.eab.hmacKey }),
    };
    return Object.entries(lines)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join("");
}

/** The ACME client. One attempt at a time. */
export class Certbot {
    private child: ChildProcess | undefined;

    /** Orders a certificate. Returns chain and key as PEM; rejects with the CA's or certbot's reason. */
    async obtain(domain: string, acme: AcmeSettings): Promise<string> {
        const folder = join(paths.acme, digest(acme.directory));
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const settings = join(folder, "cli.ini");
        writeFileSync(settings, certbotSettings(domain, acme, folder), { mode: 0o600 });
        const env = { ...process.env };
        if (acme.ca !== undefined) {
            const ca = join(folder, "ca.pem");
            writeFileSync(ca, acme.ca);
            env.REQUESTS_CA_BUNDLE = ca;
        }
        // certbot 2.1 on Python 3.11 says "can't set attribute" where the CA refused an order; its log has the reason.
        const log = join(folder, "logs", "letsencrypt.log");
        const order = async () => {
            rmSync(log, { force: true });
            const { code, output } = await this.run(["certonly", "--config", settings], env);
            const logged = code !== 0 && existsSync(log) ? readFileSync(log, "utf8") : "";
            return { code, output: `${output}\n` + (/^acme\.messages\.Error: .*$/m.exec(logged)?.[0] ?? "") };
        };
        let { code, output } = await order();
        if (code !== 0 && /account that does not exist|accountDoesNotExist/i.test(output)) {
            // A CA that was set up anew knows nobody; certbot would show it the old account for ever.
            rmSync(join(folder, "config", "accounts"), { recursive: true, force: true });
            ({ code, output } = await order());
        }
        if (code !== 0) {
            throw new Error(explain(output, code));
        }
        const live = join(folder, "config", "live", domain);
        return (
            readFileSync(join(live, "fullchain.pem"), "utf8") +
            readFileSync(join(live, "privkey.pem"), "utf8")
        );
    }

    /** Ends an attempt that is under way. */
    stop(): void {
        this.child?.kill("SIGTERM");
    }

    private run(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
        return new Promise((resolve, reject) => {
            const child = spawn("certbot", args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
            this.child = child;
            let output = "";
            const take = (chunk: string): void => {
                output = (output + chunk).slice(-65536);
            };
            child.stdout.setEncoding("utf8").on("data", take);
            child.stderr.setEncoding("utf8").on("data", take);
            const timer = setTimeout(() => {
                output += `\nno outcome within ${attemptSeconds} s`;
                child.kill("SIGKILL");
            }, attemptSeconds * 1000);
            child.on("error", reject);
            child.on("close", (code) => {
                clearTimeout(timer);
                this.child = undefined;
                resolve({ code, output });
            });
        });
    }
}

/** The reason in certbot's output, in one line. */
export function explain(output: string, code: number | null): string {
    const lines = output
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    // What the CA said of the validation, else what certbot said last, without where it keeps its log.
    const detail = lines.find((line) => line.startsWith("Detail: "))?.slice("Detail: ".length);
    const refusal = lines
        .find((line) => line.startsWith("acme.messages.Error: "))
        ?.replace(/^acme\.messages\.Error: (urn:ietf:params:acme:error:)?/, "");
    const noise = /^(Saving debug log|Ask for help|Some challenges have failed|Hint:|- - -)/;
    const reason =
        detail ??
        refusal ??
        lines.filter((line) => !noise.test(line)).at(-1) ??
        `certbot ended with code ${code}`;
    return reason.length > 400 ? `${reason.slice(0, 400)}…` : reason;
}

function digest(text: string): string {
    return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
