import { type CheckedCertificate, type CertificateInfo, checkCertificate } from "./certificate";
import { Certbot } from "./certbot";
import { messageOf } from "./messages";
import { Orders } from "./orders";
import { nextAttempt } from "./schedule";
import { selfSigned } from "./self-signed";
import type { AcmeSettings, HttpsSettings } from "./settings";

/** A longer sleep is broken up: timers have a limit, and clocks are set. */
const longestSleepMs = 3_600_000;

export interface CertificateStatus extends CertificateInfo {
    source: "acme" | "provided" | "self-signed";
    /** The directory that is asked, if one is. */
    directory?: string;
    /** When the CA will be asked next. */
    nextAttempt?: string;
    /** What went wrong last, until it goes well. */
    lastError?: { time: string; message: string };
}

/** Puts a certificate into use; rejects when HAProxy does not take it. */
export type Install = (certificate: CheckedCertificate) => Promise<void>;

interface Target {
    domain: string;
    acme: AcmeSettings;
    timer?: NodeJS.Timeout;
    nextAttempt?: number;
}

/** Decides which certificate is served, and asks the CA for a new one in good time. */
export class CertificateKeeper {
    private readonly certbot = new Certbot();
    private readonly orders: Orders;
    private served: { source: CertificateStatus["source"]; info: CertificateInfo } | undefined;
    private target: Target | undefined;
    private lastError: CertificateStatus["lastError"];

    constructor(
        folder: string,
        private readonly install: Install,
        private readonly log: (line: string) => void,
    ) {
        this.orders = new Orders(folder);
    }

    /** The certificate to begin with: the provided one, what the CA gave earlier, or a self-signed one. */
    async choose(
        https: HttpsSettings,
    ): Promise<CheckedCertificate & { source: CertificateStatus["source"] }> {
        const { certificate, domain } = https;
        if (certificate.kind === "provided") {
            return { source: "provided", pem: certificate.pem, info: certificate.info };
        }
        const issued = this.orders.certificate(domain, certificate.directory);
        return issued === undefined
            ? { source: "self-signed", ...(await selfSigned(domain)) }
            : { source: "acme", ...issued };
    }

    /** Follows these settings from now on; the certificate that `choose` gave is in use. */
    follow(
        https: HttpsSettings | undefined,
        served: { source: CertificateStatus["source"]; info: CertificateInfo } | undefined,
    ): void {
        this.stop();
        this.served = served;
        this.lastError = undefined;
        if (served !== undefined) {
            this.log(`serving a ${described(served)}`);
        }
        if (https?.certificate.kind === "provided" && served !== undefined) {
            if (new Date(served.info.notAfter) <= new Date()) {
                this.fail(`the provided certificate has expired on ${served.info.notAfter}`);
            }
        } else if (https?.certificate.kind === "acme") {
            this.target = { domain: https.domain, acme: https.certificate };
            this.schedule(this.target);
        }
    }

    status(): CertificateStatus | undefined {
        if (this.served === undefined) {
            return undefined;
        }
        const next = this.target?.nextAttempt;
        return {
            source: this.served.source,
            ...this.served.info,
            ...(this.target === undefined ? {} : { directory: this.target.acme.directory }),
            ...(next === undefined ? {} : { nextAttempt: new Date(next).toISOString() }),
            ...(this.lastError === undefined ? {} : { lastError: this.lastError }),
        };
    }

    /** Asks no CA any more. */
    stop(): void {
        clearTimeout(this.target?.timer);
        this.target = undefined;
        this.certbot.stop();
    }

    private schedule(target: Target): void {
        const { domain, acme } = target;
        const valid = this.orders.certificate(domain, acme.directory)?.info;
        target.nextAttempt = nextAttempt(
            Date.now(),
            valid === undefined
                ? undefined
                : { notBefore: Date.parse(valid.notBefore), notAfter: Date.parse(valid.notAfter) },
            this.orders.attempts(domain, acme.directory),
            acme,
            Math.random(),
        );
        if (target.nextAttempt > Date.now()) {
            this.log(`the CA is asked next on ${new Date(target.nextAttempt).toISOString()}`);
        }
        this.sleep(target);
    }

    private sleep(target: Target): void {
        const wait = (target.nextAttempt ?? 0) - Date.now();
        target.timer = setTimeout(
            () => {
                if ((target.nextAttempt ?? 0) > Date.now()) {
                    this.sleep(target);
                } else {
                    void this.attempt(target);
                }
            },
            Math.max(0, Math.min(wait, longestSleepMs)),
        );
    }

    /** One order. Whatever comes of it, another is planned. */
    private async attempt(target: Target): Promise<void> {
        const { domain, acme } = target;
        const before = this.orders.attempts(domain, acme.directory);
        // Counted as a failure until it is none: a container that is killed in the middle has asked, too.
        const asked = { last: Date.now(), failures: before.failures + 1 };
        try {
            this.orders.record(domain, acme.directory, asked);
            this.log(`asking ${acme.directory} for a certificate for ${domain}`);
            const pem = await this.certbot.obtain(domain, acme).catch((error: unknown) => {
                // The pause counts from the answer: it may have taken longer to come than the pause lasts.
                this.orders.record(domain, acme.directory, { ...asked, last: Date.now() });
                throw error;
            });
            const issued = checkCertificate(pem, { domain, at: new Date() });
            if ("problems" in issued) {
                throw new Error(`the certificate that the CA gave ${issued.problems.join("; ")}`);
            }
            this.orders.keep(domain, acme.directory, issued);
            this.orders.record(domain, acme.directory, { last: asked.last, failures: 0 });
            if (this.target === target) {
                await this.install(issued);
                this.served = { source: "acme", info: issued.info };
                this.lastError = undefined;
                this.log(`serving a ${described(this.served)}`);
            }
        } catch (error) {
            if (this.target === target) {
                this.fail(`no new certificate for ${domain}: ${messageOf(error)}`);
            }
        }
        if (this.target === target) {
            this.schedule(target);
        }
    }

    private fail(message: string): void {
        this.lastError = { time: new Date().toISOString(), message };
        this.log(
            this.served === undefined ? message : `${message}; the ${this.served.source} certificate stays`,
        );
    }
}

function described(served: { source: CertificateStatus["source"]; info: CertificateInfo }): string {
    const { issuer, names, notAfter, serial } = served.info;
    const kind = {
        acme: "certificate from the CA",
        provided: "provided certificate",
        "self-signed": "self-signed certificate",
    };
    return `${kind[served.source]} for ${names}, issued by ${issuer || "nobody"}, serial ${serial}, until ${notAfter}`;
}
