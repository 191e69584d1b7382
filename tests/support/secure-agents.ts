import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findTool, freePorts, launch, nomadConfiguration, type Agent } from "./agents";
import { output } from "./command";

/** PEM texts, and the files that hold them. */
export interface Certificates {
    readonly folder: string;
    readonly ca: string;
    readonly certificate: string;
    readonly key: string;
    readonly caFile: string;
    readonly certificateFile: string;
    readonly keyFile: string;
}

/**
 * A real agent as a cluster that trusts nobody has it: HTTPS alone, a client certificate asked of everybody, and ACLs
 * that deny by default.
 */
export interface SecureAgent extends Omit<Agent, "restart"> {
    /** `https://127.0.0.1:<port>` */
    readonly address: string;
    /** Secret of a management token. */
    readonly token: string;
    /** What a client needs. */
    readonly tls: Certificates;
    /** A request past the plugin; `token` defaults to the management token. Undefined for 404. */
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked into as they come
    ask(path: string, options?: { method?: string; body?: unknown; token?: string }): Promise<any>;
}

/** A CA and a certificate that is good for servers on 127.0.0.1 and for clients, made by `consul tls`. */
export async function makeCertificates(): Promise<Certificates> {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-tls-"));
    const consul = (...args: string[]): Promise<string> =>
        output(findTool("consul"), ["tls", ...args], { cwd: folder });
    await consul("ca", "create");
    await consul("cert", "create", "-server");
    const file = (name: string): string => join(folder, name);
    const [caFile, certificateFile, keyFile] = [
        file("consul-agent-ca.pem"),
        file("dc1-server-consul-0.pem"),
        file("dc1-server-consul-0-key.pem"),
    ];
    const read = (path: string): string => readFileSync(path, "utf8");
    return {
        folder,
        ca: read(caFile),
        certificate: read(certificateFile),
        key: read(keyFile),
        caFile,
        certificateFile,
        keyFile,
    };
}

export async function startSecureConsul(): Promise<SecureAgent> {
    const tls = await makeCertificates();
    const ports = await freePorts(["https", "dns", "grpc_tls", "server", "serf_lan", "serf_wan"]);
    const token = randomUUID();
    const address = `https://127.0.0.1:${ports.https}`;
    const ask = requests("Consul", address, tls, "X-Consul-Token", token);
    const agent = await launch(
        "consul",
        ports,
        address,
        (folder) => {
            const configuration = {
                ports: { ...ports, http: -1, grpc: -1 },
                bind_addr: "127.0.0.1",
                log_level: "WARN",
                datacenter: "dc1",
                disable_update_check: true,
                acl: {
                    enabled: true,
                    default_policy: "deny",
                    tokens: { initial_management: token, agent: token },
                },
                tls: {
                    defaults: {
                        ca_file: tls.caFile,
                        cert_file: tls.certificateFile,
                        key_file: tls.keyFile,
                        verify_incoming: true,
                    },
                },
            };
            writeFileSync(join(folder, "consul.json"), JSON.stringify(configuration));
            return ["agent", "-dev", "-node", "test", "-config-file", join(folder, "consul.json")];
        },
        async () => {
            await ask("/v1/acl/token/self");
        },
    ).catch((error: unknown) => {
        forget(tls);
        throw error;
    });
    return { ...agent, token, tls, ask, stop: () => agent.stop().finally(() => forget(tls)) };
}

export async function startSecureNomad(): Promise<SecureAgent> {
    const tls = await makeCertificates();
    const ports = await freePorts(["http", "rpc", "serf"]);
    const token = randomUUID();
    const address = `https://127.0.0.1:${ports.http}`;
    const ask = requests("Nomad", address, tls, "X-Nomad-Token", token);
    const agent = await launch(
        "nomad",
        ports,
        address,
        (folder) => {
            const secure = `
acl {
  enabled = true
}
tls {
  http                = true
  verify_https_client = true
  ca_file             = "${tls.caFile}"
  cert_file           = "${tls.certificateFile}"
  key_file            = "${tls.keyFile}"
}
`;
            writeFileSync(join(folder, "nomad.hcl"), nomadConfiguration(folder, ports) + secure);
            return ["agent", "-config", join(folder, "nomad.hcl")];
        },
        async () => {
            // Nomad takes it once, and its answer may come too late.
            const known = await ask("/v1/acl/token/self").then(
                (self) => self !== undefined,
                () => false,
            );
            if (!known) {
                await ask("/v1/acl/bootstrap", {
                    method: "POST",
                    body: { BootstrapSecret: token },
                    token: "",
                });
            }
            const nodes = (await ask("/v1/nodes")) as { Status: string }[];
            if (!nodes.some(({ Status }) => Status === "ready")) {
                throw new Error("no node is ready");
            }
        },
    ).catch((error: unknown) => {
        forget(tls);
        throw error;
    });
    return { ...agent, token, tls, ask, stop: () => agent.stop().finally(() => forget(tls)) };
}

function forget({ folder }: Certificates): void {
    rmSync(folder, { recursive: true, force: true });
}

function requests(
    name: string,
    address: string,
    { ca, certificate, key }: Certificates,
    header: string,
    management: string,
): SecureAgent["ask"] {
    return (path, { method = "GET", body, token = management } = {}) =>
        new Promise((resolve, reject) => {
            const request = https.request(
                address + path,
                {
                    method,
                    ca,
                    cert: certificate,
                    key,
                    agent: false,
                    timeout: 5000,
                    headers: token ? { [header]: token } : {},
                },
                (response) => {
                    let text = "";
                    response.setEncoding("utf8");
                    response.on("data", (chunk: string) => (text += chunk));
                    response.on("error", reject);
                    response.on("end", () => {
                        const status = response.statusCode ?? 0;
                        if (status === 404) {
                            resolve(undefined);
                        } else if (status < 200 || status > 299) {
                            reject(new Error(`${name} answered ${method} ${path} with ${status}: ${text}`));
                        } else {
                            resolve(text === "" ? undefined : JSON.parse(text));
                        }
                    });
                },
            );
            request.on("timeout", () => request.destroy(new Error("no answer in time")));
            request.on("error", reject);
            request.end(body === undefined ? undefined : JSON.stringify(body));
        });
}
