import { z } from "zod";

import type { Problem } from "../config-errors";
import { parseAddress } from "../images/balancer/backends";
import { checkCertificate } from "../images/balancer/certificate";
import { sticky as place } from "../toolchain/labs.json";
import { clashingPorts, commonSettings, port } from "./common";

/** The cookie's value and a part of the container's name, so that a session belongs to a name. */
const backendName = z.string().regex(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/, {
    error: "must be lower-case letters, digits and hyphens, at most 32, starting with a letter",
});

const backend = z
    .strictObject({
        /** A web server that runs elsewhere, as `host:port`; without it the lab runs a container of its own. */
        url: z
            .string()
            .superRefine((value, context) => {
                const address = parseAddress(value);
                if (typeof address === "string") {
                    context.addIssue({ code: "custom", message: address });
                }
            })
            .optional(),
    })
    .nullable()
    .transform((value): { url?: string } => value ?? {});

const domainName = z
    .string()
    .regex(/^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i, {
        error: "must be a domain name such as www.example.org",
    });

/** Settings of the `sticky` lab. */
export const stickySettings = z.strictObject({
    ...commonSettings(place.subnet, { anywhere: false }),
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            webapp: port.default(place.ports.webapp),
            /** HTTPS; published only with `https.enabled`. */
            webappTls: port.default(place.ports.webappTls),
            haproxyStats: port.default(place.ports.haproxyStats),
        })
        .prefault({}),
    /** The web servers by name. Adding or removing one touches no other, and no session on another. */
    backends: z
        .record(backendName, backend)
        .refine((backends) => Object.keys(backends).length > 0, { error: "must name at least one backend" })
        .default({ back1: {}, back2: {} }),
    /** HTTPS, with a redirect from HTTP. */
    https: z
        .strictObject({
            enabled: z.boolean().default(false),
            /** The name that the certificate is for. */
            domainName: domainName.optional(),
            /** Where the CA may write to. */
            emailAddress: z.email({ error: "must be an e-mail address" }).optional(),
            /** Seconds for which browsers insist on HTTPS. Default two years, as Mozilla recommends; 0 turns it off. */
            hstsMaxAge: z.int().min(0).default(63_072_000),
        })
        .prefault({}),
    /** Where the certificate comes from: a CA that speaks ACME (Let's Encrypt by default), or from you. */
    certificate: z
        .strictObject({
            /** Secret: your own, as PEM: the certificate, its chain and its key. No CA is asked then. */
            provided: z.string().optional(),
            /** The CA's ACME directory. */
            directory: z
                .url({ protocol: /^https$/, error: "must be the https address of an ACME directory" })
                .optional(),
            /** Let's Encrypt's staging directory: certificates that browsers do not trust, and generous limits. */
            staging: z.boolean().default(false),
            /** PEM: what the directory's own TLS certificate is verified with, for a CA of your own. */
            caCertificate: z.string().optional(),
            /** Credentials of an account that exists already, where the CA asks for them. */
            externalAccount: z.strictObject({ keyId: z.string(), hmacKey: z.string() }).optional(),
        })
        .prefault({}),
    /** Where the images are pushed to; without a server they stay on this computer's Docker engine. */
    registry: z
        .strictObject({
            /** `host` or `host:port`, e.g. docker.io. */
            server: z
                .string()
                .regex(/^[\w.-]+(:\d+)?$/, { error: "must be host or host:port" })
                .optional(),
            /** The first part of the images' names, e.g. an organisation. */
            repository: z
                .string()
                .regex(/^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/, {
                    error: "must be lower-case letters and digits, parts divided by /",
                })
                .default("gatehouse"),
            tag: z
                .string()
                .regex(/^\w[\w.-]{0,127}$/, { error: "must be letters, digits, dots, hyphens" })
                .default("latest"),
            username: z.string().optional(),
            /** Secret. */
            password: z.string().optional(),
        })
        .prefault({}),
});

export type StickySettings = z.output<typeof stickySettings>;

/** Problems that only several settings together can have. */
export function stickyContradictions(settings: StickySettings): Problem[] {
    const { https, certificate, registry, ports } = settings;
    const { webappTls, ...plain } = ports;
    const problems = clashingPorts(https.enabled ? { ...plain, webappTls } : plain);
    const refuse = (path: string, message: string) => problems.push({ path, message });
    const acme = ["directory", "caCertificate", "externalAccount"] as const;
    if (https.enabled && https.domainName === undefined) {
        refuse("https.domainName", "is missing; HTTPS needs the name that the certificate is for");
    }
    if (!https.enabled && (certificate.provided !== undefined || certificate.directory !== undefined)) {
        refuse(
            certificate.provided !== undefined ? "certificate.provided" : "certificate.directory",
            "has no effect without HTTPS; set https.enabled to true, or remove it",
        );
    }
    if (certificate.provided !== undefined) {
        const checked = checkCertificate(certificate.provided, { domain: https.domainName, at: new Date() });
        for (const problem of "problems" in checked ? checked.problems : []) {
            refuse("certificate.provided", problem);
        }
        for (const name of acme.filter((each) => certificate[each] !== undefined)) {
            refuse(`certificate.${name}`, "has no effect beside certificate.provided; remove one of them");
        }
    }
    if (certificate.staging && certificate.directory !== undefined) {
        refuse(
            "certificate.staging",
            "means Let's Encrypt's own directory; remove it or certificate.directory",
        );
    }
    if ((registry.username === undefined) !== (registry.password === undefined)) {
        const missing = registry.username === undefined ? "username" : "password";
        refuse(`registry.${missing}`, "is missing; a log-in takes username and password");
    }
    if (registry.server === undefined && registry.username !== undefined) {
        refuse("registry.server", "is missing; say where the images go, such as docker.io");
    }
    return problems;
}
