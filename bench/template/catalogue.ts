import { request } from "../../tests/support/http";

/** A web server as Consul's catalogue has it. */
export interface Instance {
    id: string;
    service: string;
    address: string;
    port: number;
}

/** All instances of the benchmark belong to it; the monitor leaves it alone. */
const node = "bench";

/** Writes to Consul's catalogue, as the monitor and the lab's provider do. */
export class Catalogue {
    /** @param api Consul's HTTP API, e.g. `http://127.0.0.1:8510` */
    constructor(private readonly api: string) {}

    /** Instance and verdict in one write. */
    register(instance: Instance, status: "passing" | "critical" = "passing"): Promise<void> {
        const { id, service, address, port } = instance;
        return this.put("/v1/catalog/register", {
            Node: node,
            Address: address,
            Service: { ID: id, Service: service, Address: address, Port: port },
            Check: this.check(id, status),
        });
    }

    /** Another verdict for an instance that is registered. */
    judge(instance: Instance, status: "passing" | "critical"): Promise<void> {
        return this.put("/v1/catalog/register", {
            Node: node,
            Address: instance.address,
            SkipNodeUpdate: true,
            Check: this.check(instance.id, status),
        });
    }

    deregister(instance: Instance): Promise<void> {
        return this.put("/v1/catalog/deregister", { Node: node, ServiceID: instance.id });
    }

    /** The node that all instances of the benchmark belong to, with everything on it. */
    forget(): Promise<void> {
        return this.put("/v1/catalog/deregister", { Node: node });
    }

    private check(id: string, status: string): object {
        return { CheckID: `bench:${id}`, Name: "bench", ServiceID: id, Status: status };
    }

    private async put(path: string, body: unknown): Promise<void> {
        const answer = await request(this.api + path, { method: "PUT", body, timeout: 20 });
        if (answer.status !== 200) {
            throw new Error(`Consul answered ${answer.status}: ${answer.body}`);
        }
    }
}
