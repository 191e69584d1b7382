import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { output } from "../../support/command";

export interface TestCertificate {
    certificate: string;
    key: string;
    /** Both, as one PEM. */
    pem: string;
    /** The CA that signed it; undefined for a self-signed one. */
    ca?: string;
}

export interface TestCertificateOptions {
    domain: string;
    /** Days from now; negative ones are past. Default 30. */
    days?: number;
    /** `rsa:2048` instead of an elliptic curve. */
    rsa?: boolean;
    /** Whether it begins in the future. */
    future?: boolean;
}

/** A certificate signed by a CA of its own, made by openssl. */
export async function makeCertificate(options: TestCertificateOptions): Promise<TestCertificate> {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-certificate-"));
    const file = (name: string): string => join(folder, name);
    const read = (name: string): string => readFileSync(file(name), "utf8");
    const openssl = (...args: string[]): Promise<string> => output("openssl", args, { cwd: folder });
    const time = (days: number): string =>
        new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "");
    try {
        const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        await openssl(
            ...[
                "req",
                "-x509",
                ...curve,
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
                "-days",
                "60",
                "-subj",
                "/CN=test CA",
            ],
        );
        const newKey = options.rsa ? ["-newkey", "rsa:2048", "-nodes"] : curve;
        await openssl(
            "req",
            "-new",
            ...newKey,
            "-keyout",
            "key.pem",
            "-out",
            "request.pem",
            "-subj",
            "/CN=test",
        );
        writeFileSync(file("extensions"), `subjectAltName=DNS:${options.domain}\n`);
        writeFileSync(file("index"), "");
        writeFileSync(
            file("ca.cnf"),
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nrand_serial=yes\n[any]\ncommonName=supplied\n",
        );
        const days = options.days ?? 30;
        const begin = options.future ? 1 : Math.min(days, 0) - 1;
        await openssl(
            ...["ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"],
            ...["-startdate", time(begin), "-enddate", time(days), "-extfile", "extensions"],
            ...["-in", "request.pem", "-out", "certificate.pem"],
        );
        const [certificate, key, ca] = [read("certificate.pem"), read("key.pem"), read("ca.pem")];
        return { certificate, key, ca, pem: certificate + key };
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}
