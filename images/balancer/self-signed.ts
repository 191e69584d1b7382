import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { type CheckedCertificate, checkCertificate } from "./certificate";

const run = promisify(execFile);

/** A certificate that nobody trusts, to serve with until a CA has given one. */
export async function selfSigned(domain: string): Promise<CheckedCertificate> {
    const { stdout } = await run("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-keyout", "-", "-days", "30", "-subj", "/O=self-signed until a CA issues a certificate"],
        ...["-addext", `subjectAltName=DNS:${domain}`],
    ]);
    const checked = checkCertificate(stdout, { domain });
    if ("problems" in checked) {
        throw new Error(`the self-signed certificate ${checked.problems.join("; ")}`);
    }
    return checked;
}
