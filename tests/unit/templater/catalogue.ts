import * as assert from "node:assert/strict";

/** What a test writes about an instance; the catalogue takes it as it is. */
export interface Registration {
    /** The instance's id. */
    id: string;
    port: number;
    /** Default `web`. */
    service?: string;
    /** Default 127.0.0.1. */
    address?: string;
    /** What its check says. Default `passing`. */
    status?: "passing" | "warning" | "critical";
}

/** As many operations as Consul takes in one transaction. */
const operations = 64;

/** Consul's catalogue, written as the lab does it: instances on a node without an agent. */
export class Catalogue {
    constructor(private readonly consul: { readonly address: string }) {}

    async register(...registrations: Registration[]): Promise<void> {
        for (const {
            id,
            port,
            service = "web",
            address = "127.0.0.1",
            status = "passing",
        } of registrations) {
            await this.put("/v1/catalog/register", {
                Node: "external",
                Address: "127.0.0.1",
                Service: { ID: id, Service: service, Address: address, Port: port },
                Check: { CheckID: `check-${id}`, Name: id, ServiceID: id, Status: status },
            });
        }
    }

    /** Many in few transactions, without checks; the node must be known already. */
    registerMany(registrations: Registration[]): Promise<void> {
        return this.transact(
            "set",
            registrations.map(({ id, port, service = "web", address = "127.0.0.1" }) => ({
                ID: id,
                Service: service,
                Address: address,
                Port: port,
            })),
        );
    }

    async deregister(...ids: string[]): Promise<void> {
        for (const id of ids) {
            await this.put("/v1/catalog/deregister", { Node: "external", ServiceID: id });
        }
    }

    /** In one moment: nobody sees a list that is a little shorter. */
    deregisterAtOnce(service: string, ...ids: string[]): Promise<void> {
        return this.transact(
            "delete",
            ids.map((ID) => ({ ID, Service: service })),
        );
    }

    /** Ids of a service's instances, whatever their checks say. */
    async idsOf(service: string): Promise<string[]> {
        const answer = await fetch(`${this.consul.address}/v1/catalog/service/${service}`);
        return ((await answer.json()) as { ServiceID: string }[]).map(({ ServiceID }) => ServiceID).sort();
    }

    private async transact(verb: "set" | "delete", services: object[]): Promise<void> {
        const wanted = services.map((Service) => ({ Service: { Verb: verb, Node: "external", Service } }));
        for (let from = 0; from < wanted.length; from += operations) {
            await this.put("/v1/txn", wanted.slice(from, from + operations));
        }
    }

    private async put(path: string, body: unknown): Promise<void> {
        const answer = await fetch(this.consul.address + path, { method: "PUT", body: JSON.stringify(body) });
        assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
    }
}
