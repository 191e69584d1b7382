import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { messageOf } from "./errors";
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

/** As for `https.request`. */
export interface Tls {
    ca?: string | string[];
    cert?: string;
    key?: string;
    servername?: string;
    rejectUnauthorized?: boolean;
}

export const tlsSettings: Properties = {
    caFile: string(),
    caPem: string(),
    certFile: string(),
    certPem: string(),
    keyFile: string(),
    keyPem: string({ secret: true }),
};

/**
 * Reads what the settings name. A setting of the program's goes before the file that `environment` names for it.
 *
 * @throws Error that names the setting: both forms are given, a file cannot be read, a certificate lacks its key.
 */
export function readTls(
    settings: TlsSettings,
    environment: TlsSettings = {},
): Pick<Tls, "ca" | "cert" | "key"> {
    const read = (part: "ca" | "cert" | "key"): string | undefined => {
        const text = settings[`${part}Pem`];
        const file = settings[`${part}File`];
        if (text && file) {
            throw new Error(
                `the provider's "${part}Pem" and "${part}File" exclude each other: leave one out`,
            );
        }
        const path = file || environment[`${part}File`];
        return text || (path ? readPem(path, `the provider's "${part}File"`) : undefined);
    };
    const [ca, cert, key] = [read("ca"), read("cert"), read("key")];
    if ((cert === undefined) !== (key === undefined)) {
        const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
        throw new Error(
            `the provider's "${given}Pem" or "${given}File" needs "${missing}Pem" or "${missing}File" as well`,
        );
    }
    return { ca, cert, key };
}

/** Every certificate of a folder. */
export function readCertificateFolder(path: string, what: string): string[] {
    let names: string[];
    try {
        names = readdirSync(path);
    } catch (error) {
        throw new Error(`${what} cannot be read: ${messageOf(error)}`, { cause: error });
    }
    return names.sort().map((name) => readPem(join(path, name), what));
}

function readPem(path: string, what: string): string {
    try {
        return readFileSync(path, "utf8");
    } catch (error) {
        throw new Error(`${what} cannot be read: ${messageOf(error)}`, { cause: error });
    }
}
