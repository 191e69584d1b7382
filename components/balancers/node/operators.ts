import { createHash } from "node:crypto";

import type { NodeFile } from "../../clusters/node-files";
import { ports } from "../../security/ports";

/** What operators reach the cluster through: TLS and a password in front of APIs that listen on loopback alone. */
export interface OperatorsEndpointArgs {
    /** What callers see (PEM). The certificate may be followed by its chain. */
    certificate: { certPem: string; keyPem: string };
    /** Letters, digits, `-`, `_` and `.`. */
    user: string;
    /** Secret. Letters, digits, `-`, `_` and `.`. */
    password: string;
    /** Nomad's API on this machine speaks TLS. */
    nomad: {
        /** The authority (PEM) that Nomad's certificates come from. */
        caPem: string;
        /** A name in Nomad's certificate. Default: `localhost`. */
        serverName?: string;
    };
}

/** The ports of the endpoint, on all of the machine's addresses. */
export const operatorsPorts = { consul: ports.consulHttps.from, nomad: ports.nomadOperators.from };

const certificatePath = "/etc/haproxy/operators.pem";
const nomadCaPath = "/etc/haproxy/nomad-ca.pem";

/**
 * Mozilla's intermediate profile (5.7) without its finite-field key exchanges, which would need parameters of their own:
 * every browser and command-line tool of the last years.
 */
const tls = [
    "ssl-min-ver TLSv1.2",
    "no-tls-tickets",
    `ciphers ${[
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ].join(":")}`,
    "ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    "curves X25519:prime256v1:secp384r1",
].join(" ");

/**
 * Sections of haproxy.cfg. No HSTS: the certificate is a private authority's, and a browser that was told to insist on
 * HTTPS for 127.0.0.1 would do so for every other lab there.
 */
export function operatorsSections(args: OperatorsEndpointArgs): string {
    const { nomad } = args;
    const name = nomad.serverName ?? "localhost";
    return [
        "userlist gatehouse-operators",
        `    user ${args.user} insecure-password ${args.password}`,
        "",
        ...frontend("consul", operatorsPorts.consul, generation(args)),
        ...backend("consul", "127.0.0.1:8500"),
        ...frontend("nomad", operatorsPorts.nomad, generation(args)),
        ...backend(
            "nomad",
            `127.0.0.1:4646 ssl verify required ca-file ${nomadCaPath} verifyhost ${name} sni str(${name})`,
        ),
    ].join("\n");
}

/** What the sections name. HAProxy notices other contents because `operatorsSections` changes, too. */
export function operatorsFiles(args: OperatorsEndpointArgs, unit: NodeFile["unit"]): NodeFile[] {
    const { certPem, keyPem } = args.certificate;
    const owner = "root:root";
    return [
        {
            path: certificatePath,
            content: `${certPem.trimEnd()}\n${keyPem.trimEnd()}\n`,
            mode: "0600",
            owner,
            unit,
        },
        { path: nomadCaPath, content: args.nomad.caPem, mode: "0644", owner, unit },
    ];
}

function frontend(api: string, port: number, name: string): string[] {
    return [
        `frontend gatehouse.operators.${api}`,
        `    bind :${port} ssl crt ${certificatePath} alpn h2,http/1.1 name ${name} ${tls}`,
        "    option httplog",
        "    option idle-close-on-response",
        "    option forwardfor",
        // Questions that wait for a change do so for up to ten minutes and a sixteenth.
        "    timeout client 11m",
        "    http-request auth realm gatehouse unless { http_auth(gatehouse-operators) }",
        "    http-request disable-l7-retry unless METH_GET or { method HEAD OPTIONS }",
        // The API behind has tokens, in headers of their own.
        "    http-request del-header Authorization",
        "    http-request del-header X-Forwarded-For",
        "    http-request set-header X-Forwarded-Proto https",
        `    default_backend gatehouse.operators.${api}`,
        "",
    ];
}

function backend(api: string, server: string): string[] {
    return [
        `backend gatehouse.operators.${api}`,
        "    timeout server 11m",
        `    http-error status 503 content-type text/plain string "${api} does not answer on this machine\\n"`,
        `    server ${api} ${server} no-check`,
        "",
    ];
}

/** One word that changes with the files' contents: HAProxy reads them when it takes over another configuration. */
function generation({ certificate, nomad }: OperatorsEndpointArgs): string {
    const contents = [certificate.certPem, certificate.keyPem, nomad.caPem].join("\0");
    return `files-${createHash("sha256").update(contents).digest("hex").slice(0, 12)}`;
}
