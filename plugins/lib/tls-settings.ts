import { readFileSync } from "node:fs";

import { string, type Properties } from "./schema";

/** Certificates as HashiCorp's providers take them: PEM text, or the path of a file with it. */
export interface TlsSettings {
    caFile?: string;
    caPem?: string;
    certFile?: string;
    certPem?: string;
    keyFile?: string;
    keyPem?: string;
}

export const tlsSettings: Properties = {
    caFile: string(),
    caPem: string(),
    certFile: string(),
    certPem: string(),
    keyFile: string(),
    keyPem: string({ secret: true }),
};

/** The text itself; without one, that of the file, if there is one. */
export function pem(text: string | undefined, file: string | undefined): string | undefined {
    return text ?? (file ? readFileSync(file, "utf8") : undefined);
}
