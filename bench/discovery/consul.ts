import { consulServerConfig } from "../../components/clusters/consul-server";
import { inside } from "../../tests/support/docker";
import { getJson, request } from "../../tests/support/http";
import { eventually } from "../../tests/support/poll";
import { imageReference } from "../../toolchain/images";
import type { Stage } from "./stage";

/** What every balancer of the comparison balances; the name that jobs/haproxy.nomad.hcl asks for. */
export const service = "demo-webapp";

/** Consul's ports in the stage's network. */
export const ports = { http: 8500, dns: 8600, grpc: 8502 };

/** A web server as Consul's agent is told of it. */
export interface Instance {
    id: string;
    address: string;
    port: number;
    /** Speaks TLS with the service's own certificate, and so is one that the service mesh may call directly. */
    native?: boolean;
}

/** A lone server with the settings of the `template` lab, and the port at which it serves Envoy. */
export class Consul {
    private constructor(
        private readonly stage: Stage,
        /** In the stage's network. */
        readonly address: string,
        /** The HTTP API as this process reaches it. */
        readonly api: string,
    ) {}

    static async start(stage: Stage): Promise<Consul> {
        const settings = JSON.parse(
            consulServerConfig({ address: '{{ GetInterfaceIP "eth0" }}', datacenter: "dc1" }),
        ) as object;
        const grpc = { ports: { grpc: ports.grpc, grpc_tls: -1, serf_wan: -1 }, connect: { enabled: true } };
        const { address, url } = await stage.run(
            {
                name: "consul",
                image: imageReference("consul"),
                command: [
                    "agent",
                    "-data-dir=/consul/data",
                    "-hcl",
                    JSON.stringify({ ...settings, ...grpc }),
                ],
            },
            { port: ports.http },
        );
        const consul = new Consul(stage, address, url);
        await eventually("Consul leads and has issued its certificate", async () => {
            await consul.certificate();
        });
        return consul;
    }

    register({ id, address, port, native = false }: Instance): Promise<void> {
        return this.put("/v1/agent/service/register", {
            ID: id,
            Name: service,
            Address: address,
            Port: port,
            // Traefik takes only what is tagged so here; the others do not care.
            Tags: ["traefik.enable=true"],
            Connect: { Native: native },
            Check: { CheckID: id, TTL: "1h", Status: "passing" },
        });
    }

    deregister({ id }: Instance): Promise<void> {
        return this.put(`/v1/agent/service/deregister/${id}`);
    }

    /** One of Consul's central settings. */
    configure(entry: object): Promise<void> {
        return this.put("/v1/config", entry);
    }

    /** The service's own certificate of the mesh, and the roots that it is from. */
    async certificate(): Promise<{ chain: string; key: string; roots: string }> {
        const [leaf, { Roots }] = await Promise.all([
            getJson<{ CertPEM: string; PrivateKeyPEM: string }>(
                `${this.api}/v1/agent/connect/ca/leaf/${service}`,
            ),
            getJson<{ Roots: { RootCert: string }[] }>(`${this.api}/v1/agent/connect/ca/roots`),
        ]);
        const roots = Roots.map(({ RootCert }) => RootCert).join("");
        return { chain: leaf.CertPEM, key: leaf.PrivateKeyPEM, roots };
    }

    /** Runs Consul's own command beside it. */
    command(...args: string[]): Promise<string> {
        return inside(this.stage.container("consul"), "/usr/bin/consul", ...args);
    }

    private async put(path: string, body?: unknown): Promise<void> {
        const answer = await request(this.api + path, { method: "PUT", body, timeout: 20 });
        if (answer.status !== 200) {
            throw new Error(`Consul answered ${answer.status}: ${answer.body}`);
        }
    }
}
