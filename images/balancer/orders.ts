import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type CheckedCertificate, checkCertificate } from "./certificate";
import { orderKey } from "./certbot";
import { replaceFile } from "./haproxy";
import type { Attempts } from "./schedule";

/** What a CA has issued for a domain, and when it was asked: kept on the volume, so that a restart asks nobody. */
export class Orders {
    constructor(private readonly folder: string) {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
    }

    /** The certificate that this directory issued for this domain last, if it is still valid. */
    certificate(domain: string, directory: string): CheckedCertificate | undefined {
        const file = this.file(domain, directory, "pem");
        if (!existsSync(file)) {
            return undefined;
        }
        const checked = checkCertificate(readFileSync(file, "utf8"), { domain, at: new Date() });
        return "problems" in checked ? undefined : checked;
    }

    keep(domain: string, directory: string, certificate: CheckedCertificate): void {
        replaceFile(this.file(domain, directory, "pem"), certificate.pem);
    }

    attempts(domain: string, directory: string): Attempts {
        try {
            const read = JSON.parse(readFileSync(this.file(domain, directory, "json"), "utf8")) as Attempts;
            return { last: read.last, failures: read.failures };
        } catch {
            return { last: undefined, failures: 0 };
        }
    }

    record(domain: string, directory: string, attempts: Attempts): void {
        replaceFile(this.file(domain, directory, "json"), JSON.stringify(attempts));
    }

    private file(domain: string, directory: string, extension: string): string {
        return join(this.folder, `${orderKey(domain, directory)}.${extension}`);
    }
}
