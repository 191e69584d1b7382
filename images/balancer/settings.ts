import { type CheckedCertificate, checkCertificate, pemBlocks } from "./certificate";
import { parseBackends } from "./backends";
import { messageOf } from "./messages";

/** One server behind the balancer. */
export interface Backend {
    /** Name of the server, value of its cookie: a session belongs to it. */
    name: string;
    /** Host name or IPv4 address. */
    host: string;
    port: number;
}

/** Where and how certificates are obtained. */
export interface AcmeSettings {
    /** The directory's URL. */
    directory: string;
    /** Whom the CA may write to. */
    email: string | undefined;
    /** PEM of the CA that the directory's own certificate is verified with. Default: the system's. */
    ca: string | undefined;
    /** External account binding, for CAs that want one. */
    eab: { kid: string; hmacKey: string } | undefined;
    /** Seconds until the second attempt after a failure; each further one waits twice as long. */
    retrySeconds: number;
    /** Seconds that an attempt waits at most. */
    retryMaxSeconds: number;
}

export interface HttpsSettings {
    domain: string;
    /** The port that clients reach HTTPS on: the redirect leads there. */
    publicPort: number;
    /** Seconds for which browsers remember to use HTTPS only; 0 does not tell them. */
    hstsMaxAge: number;
    certificate: ({ kind: "provided" } & CheckedCertificate) | ({ kind: "acme" } & AcmeSettings);
}

export interface Settings {
    backends: Backend[];
    /** What a backend is asked for to see whether it is well. */
    healthPath: string;
    /** Who may see the statistics and the metrics; nobody without it. */
    stats: { user: string; password: string } | undefined;
    https: HttpsSettings | undefined;
    /** A line for failed and retried requests, or for each. */
    log: "errors" | "all";
    /** Seconds that running requests get when the balancer stops. */
    stopSeconds: number;
}

/** One wrong variable: its name, what is wrong and what to do. */
export interface SettingsProblem {
    variable: string;
    message: string;
}

/** Thrown with every problem that there is, one a line. */
export class SettingsError extends Error {
    constructor(readonly problems: SettingsProblem[]) {
        const count = problems.length === 1 ? "a setting" : `${problems.length} settings`;
        super(
            [
                `The balancer has ${count} to correct:`,
                ...problems.map(({ variable, message }) => `  ${variable}: ${message}`),
            ].join("\n"),
        );
        this.name = "SettingsError";
    }
}

/** Let's Encrypt's directories. */
export const directories = {
    production: "https://acme-v02.api.letsencrypt.org/directory",
    staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
} as const;

/** Variables that hold a value of their own; the backends' are numbered (`BACKEND1_URL`, `BACKEND1_NAME`). */
export const variables = [
    "ENABLE_HTTPS",
    "DOMAIN_NAME",
    "EMAIL_ADDRESS",
    "HEALTH_PATH",
    "STATS_USER",
    "STATS_PASSWORD",
    "HTTPS_PUBLIC_PORT",
    "HSTS_MAX_AGE",
    "ACME_DIRECTORY",
    "ACME_STAGING",
    "ACME_CA",
    "ACME_EAB_KID",
    "ACME_EAB_HMAC_KEY",
    "ACME_RETRY_SECONDS",
    "ACME_RETRY_MAX_SECONDS",
    "CERTIFICATE",
    "LOG",
    "STOP_SECONDS",
] as const;
/** Variables that name a file whose content is the value of the variable without `_FILE`. */
export const fileVariables = ["ACME_CA_FILE", "CERTIFICATE_FILE", "STATS_PASSWORD_FILE"] as const;

export interface ParseOptions {
    /** The moment at which a provided certificate has to be valid. Default: none, an expired one passes. */
    at?: Date;
    /** Whether there has to be a backend. Default true. */
    needBackends?: boolean;
    /** Whether names that are no setting are wrong. Default false, because an environment has others. */
    strict?: boolean;
}

/** Reads settings from variables; throws one `SettingsError` for all that is wrong. An empty variable is none. */
export function parseSettings(
    values: Record<string, string | undefined>,
    options: ParseOptions = {},
): Settings {
    const problems: SettingsProblem[] = [];
    const wrong = (variable: string, message: string): undefined => {
        problems.push({ variable, message });
    };
    const text = (name: (typeof variables)[number]): string | undefined => values[name]?.trim() || undefined;
    const flag = (name: (typeof variables)[number]): boolean => {
        const value = text(name)?.toLowerCase() ?? "false";
        if (value !== "true" && value !== "false") {
            wrong(name, `must be true or false, not "${value}"`);
        }
        return value === "true";
    };
    const matching = (
        name: (typeof variables)[number],
        pattern: RegExp,
        expected: string,
    ): string | undefined => {
        const value = text(name);
        return value === undefined || pattern.test(value) ? value : wrong(name, `must be ${expected}`);
    };
    const whole = (name: (typeof variables)[number], fallback: number, min: number, max: number): number => {
        const value = text(name);
        const number = Number(value ?? fallback);
        if (value !== undefined && (!/^\d+$/.test(value) || number < min || number > max)) {
            wrong(name, `must be a whole number from ${min} to ${max}, not "${value}"`);
        }
        return number;
    };

    const backends = parseBackends(values, wrong);
    if (backends.length === 0 && problems.length === 0 && (options.needBackends ?? true)) {
        wrong(
            "BACKEND1_URL",
            "there is no backend; set it to host:port, and BACKEND2_URL and so on for more",
        );
    }
    const healthPath = matching(
        "HEALTH_PATH",
        /^\/[\w.~!$&()*+,;=:@%/?-]*$/,
        "a path such as /health, without spaces and quotes",
    );
    const user = matching("STATS_USER", /^[\w.@-]+$/, 'letters, digits and "_", ".", "@", "-"') ?? "admin";
    const password = matching("STATS_PASSWORD", /^[\x21-\x7e]+$/, "ASCII characters without spaces");
    const log = text("LOG") ?? "errors";
    if (log !== "errors" && log !== "all") {
        wrong("LOG", `must be errors or all, not "${log}"`);
    }
    const stopSeconds = whole("STOP_SECONDS", 8, 0, 3600);

    const enabled = flag("ENABLE_HTTPS");
    const domain = matching(
        "DOMAIN_NAME",
        /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z][a-z0-9-]{0,61}[a-z0-9]$/i,
        "one host name such as www.example.org",
    )?.toLowerCase();
    if (enabled && text("DOMAIN_NAME") === undefined) {
        wrong("DOMAIN_NAME", "HTTPS needs the name that clients use; set it, or ENABLE_HTTPS=false");
    }
    const publicPort = whole("HTTPS_PUBLIC_PORT", 443, 1, 65535);
    const hstsMaxAge = whole("HSTS_MAX_AGE", 63072000, 0, 2 ** 31 - 1);
    const acme = parseAcme();
    const provided = parseCertificate();

    if (options.strict ?? false) {
        for (const name of Object.keys(values)) {
            const known: readonly string[] = [...variables, ...fileVariables];
            if (!known.includes(name) && !/^BACKEND[1-9]\d*_(URL|NAME)$/.test(name)) {
                wrong(name, "there is no such setting; correct its name or remove it");
            }
        }
    }
    if (problems.length > 0) {
        throw new SettingsError(problems);
    }
    return {
        backends,
        healthPath: healthPath ?? "/",
        stats: password === undefined ? undefined : { user, password },
        https:
            enabled && domain !== undefined
                ? {
                      domain,
                      publicPort,
                      hstsMaxAge,
                      certificate:
                          provided === undefined
                              ? { kind: "acme", ...acme }
                              : { kind: "provided", ...provided },
                  }
                : undefined,
        log: log as "errors" | "all",
        stopSeconds,
    };

    function parseAcme(): AcmeSettings {
        const directory = text("ACME_DIRECTORY");
        const staging = flag("ACME_STAGING");
        if (directory !== undefined && !isHttps(directory)) {
            wrong("ACME_DIRECTORY", "must be an https:// URL of an ACME directory");
        }
        if (directory !== undefined && staging) {
            wrong("ACME_STAGING", "means Let's Encrypt's staging directory; remove it or ACME_DIRECTORY");
        }
        const ca = text("ACME_CA");
        if (ca !== undefined && !pemBlocks(ca).some(({ label }) => label === "CERTIFICATE")) {
            wrong("ACME_CA", 'has no "BEGIN CERTIFICATE" block; give the CA\'s certificate as PEM');
        }
        const kid = matching("ACME_EAB_KID", /^[\x21-\x7e]+$/, "ASCII characters without spaces");
        const hmacKey = matching("ACME_EAB_HMAC_KEY", /^[\w+/-]+=*$/, "base64, as the CA gave it");
        if ((text("ACME_EAB_KID") === undefined) !== (text("ACME_EAB_HMAC_KEY") === undefined)) {
            const missing = text("ACME_EAB_KID") === undefined ? "ACME_EAB_KID" : "ACME_EAB_HMAC_KEY";
            wrong(missing, "an external account has a key id and an HMAC key; set both or none");
        }
        const retrySeconds = whole("ACME_RETRY_SECONDS", 300, 1, 86400);
        const retryMaxSeconds = whole("ACME_RETRY_MAX_SECONDS", Math.max(3600, retrySeconds), 1, 86400);
        if (retryMaxSeconds < retrySeconds) {
            wrong("ACME_RETRY_MAX_SECONDS", `must not be less than ACME_RETRY_SECONDS (${retrySeconds})`);
        }
        return {
            directory: directory ?? (staging ? directories.staging : directories.production),
            email: matching(
                "EMAIL_ADDRESS",
                /^[^\s@"'<>]+@[^\s@"'<>]+\.[^\s@"'<>]+$/,
                "one mail address such as you@example.org",
            ),
            ca,
            eab: kid !== undefined && hmacKey !== undefined ? { kid, hmacKey } : undefined,
            retrySeconds,
            retryMaxSeconds,
        };
    }

    function parseCertificate(): CheckedCertificate | undefined {
        const pem = text("CERTIFICATE");
        if (pem === undefined) {
            return undefined;
        }
        const checked = checkCertificate(pem, { domain, at: options.at });
        if ("problems" in checked) {
            checked.problems.forEach((problem) => wrong("CERTIFICATE", `the certificate ${problem}`));
            return undefined;
        }
        return checked;
    }
}

/**
 * The variables with the files that some of them name read in; throws a `SettingsError` if one cannot be read or is
 * given twice.
 */
export function readFiles(
    values: Record<string, string | undefined>,
    read: (path: string) => string,
): Record<string, string | undefined> {
    const problems: SettingsProblem[] = [];
    const result = { ...values };
    for (const variable of fileVariables) {
        const path = values[variable];
        const target = variable.replace(/_FILE$/, "");
        if (path === undefined || path === "") {
            continue;
        }
        if (values[target]) {
            problems.push({ variable, message: `is the same setting as ${target}; remove one of them` });
            continue;
        }
        try {
            result[target] = read(path);
        } catch (error) {
            problems.push({ variable, message: `the file cannot be read: ${messageOf(error)}` });
        }
    }
    if (problems.length > 0) {
        throw new SettingsError(problems);
    }
    return result;
}

function isHttps(value: string): boolean {
    return /^https:\/\/[^\s/'"\\]+(\/[^\s'"\\]*)?$/.test(value);
}
