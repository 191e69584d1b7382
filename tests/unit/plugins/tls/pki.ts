import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tlsProvider } from "../../../../plugins/tls/provider";
import { plain, ProviderHarness, Secret } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

export const types = {
    key: "tls:index/privateKey:PrivateKey",
    selfSigned: "tls:index/selfSignedCert:SelfSignedCert",
    request: "tls:index/certRequest:CertRequest",
    locallySigned: "tls:index/locallySignedCert:LocallySignedCert",
};

/** What was asked for and what came of it. */
export interface Made {
    id: string;
    inputs: Values;
    /** As they travel: secrets marked. */
    state: Values;
    /** The same without the marks. */
    outputs: Record<string, string>;
}

/** A key and a certificate as PEM. */
export interface Identity {
    key: string;
    cert: string;
    made: Made;
}

/** The tls plugin as the engine sees it, and a folder for what openssl is to read. */
export class Pki {
    private constructor(
        readonly provider: ProviderHarness,
        private readonly folder: string,
    ) {}

    static async start(): Promise<Pki> {
        return new Pki(
            await ProviderHarness.start(tlsProvider),
            mkdtempSync(join(tmpdir(), "gatehouse-tls-")),
        );
    }

    close(): void {
        this.provider.close();
        rmSync(this.folder, { recursive: true, force: true });
    }

    async make(type: string, args: Values): Promise<Made> {
        const { inputs, failures } = await this.provider.check(type, args);
        assert.deepEqual(failures, []);
        const { id, outputs } = await this.provider.create(type, inputs);
        return { id, inputs, state: outputs, outputs: plain(outputs) as Record<string, string> };
    }

    async key(args: Values = { algorithm: "ED25519" }): Promise<string> {
        return (await this.make(types.key, args)).outputs.privateKeyPem!;
    }

    /** A CA that signs itself. */
    async authority(key: string, args: Values = {}): Promise<Identity> {
        const made = await this.make(types.selfSigned, {
            privateKeyPem: new Secret(key),
            subject: { commonName: "Lab CA", organization: "Gatehouse" },
            isCaCertificate: true,
            allowedUses: ["cert_signing", "crl_signing"],
            validityPeriodHours: 24,
            ...args,
        });
        return { key, cert: made.outputs.certPem!, made };
    }

    /** A certificate for the key by the CA; `names` go into the request. */
    async sign(ca: Identity, key: string, names: Values, args: Values = {}): Promise<Identity> {
        const request = await this.make(types.request, { privateKeyPem: new Secret(key), ...names });
        const made = await this.make(types.locallySigned, {
            caCertPem: ca.cert,
            caPrivateKeyPem: new Secret(ca.key),
            certRequestPem: request.outputs.certRequestPem,
            allowedUses: ["digital_signature", "server_auth", "client_auth"],
            validityPeriodHours: 12,
            ...args,
        });
        return { key, cert: made.outputs.certPem!, made };
    }

    async refusals(type: string, args: Values): Promise<Record<string, string>> {
        const { failures } = await this.provider.check(type, args);
        return Object.fromEntries(failures.map(({ property, reason }) => [property, reason]));
    }

    /** A file with this text, for openssl. */
    file(name: string, text: string): string {
        const file = join(this.folder, name);
        writeFileSync(file, text);
        return file;
    }

    openssl(args: string[], input?: string): string {
        const { status, stdout, stderr } = this.tryOpenssl(args, input);
        assert.equal(status, 0, `openssl ${args.join(" ")}: ${stderr}${stdout}`);
        return stdout;
    }

    tryOpenssl(args: string[], input?: string): { status: number | null; stdout: string; stderr: string } {
        return spawnSync("openssl", args, { input, encoding: "utf8" });
    }

    /** Fails unless a strict reader of RFC 5280 believes the certificate. */
    verify(ca: string, cert: string, ...args: string[]): void {
        const root = this.file("ca.pem", ca);
        this.openssl(["verify", "-x509_strict", ...args, "-CAfile", root, this.file("cert.pem", cert)]);
    }
}
