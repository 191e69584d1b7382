import * as https from "node:https";

import type { EtcdLab } from "../../tests/support/etcd-lab";

/** The lab's etcd through its published endpoint, by one connection that stays open. */
export class Store {
    private readonly agent: https.Agent;
    private token = "";

    private constructor(private readonly lab: EtcdLab) {
        this.agent = new https.Agent({
            keepAlive: true,
            maxSockets: 1,
            ca: lab.environment("GATEHOUSE_ETCD_CA"),
            cert: lab.environment("GATEHOUSE_ETCD_CERT"),
            key: lab.environment("GATEHOUSE_ETCD_KEY"),
        });
    }

    static async open(lab: EtcdLab): Promise<Store> {
        const store = new Store(lab);
        const { token } = await store.ask<{ token: string }>("/v3/auth/authenticate", {
            name: "root",
            password: lab.environment("ETCDCTL_PASSWORD"),
        });
        store.token = token;
        return store;
    }

    close(): void {
        this.agent.destroy();
    }

    async put(key: string, value: string): Promise<void> {
        await this.ask("/v3/kv/put", { key: base64(key), value: base64(value) });
    }

    async delete(key: string): Promise<void> {
        await this.ask("/v3/kv/deleterange", { key: base64(key) });
    }

    private ask<T>(path: string, body: object): Promise<T> {
        const headers = {
            "content-type": "application/json",
            ...(this.token && { authorization: this.token }),
        };
        return new Promise((resolve, reject) => {
            const request = https.request(
                new URL(path, this.lab.url("etcd")),
                { method: "POST", agent: this.agent, headers, timeout: 5000 },
                (response) => {
                    let text = "";
                    response.setEncoding("utf8");
                    response.on("data", (chunk: string) => (text += chunk));
                    response.on("end", () =>
                        response.statusCode === 200
                            ? resolve(JSON.parse(text) as T)
                            : reject(new Error(`${path} answers ${response.statusCode}: ${text}`)),
                    );
                },
            );
            request.on("timeout", () => request.destroy(new Error(`${path} does not answer`)));
            request.on("error", reject);
            request.end(JSON.stringify(body));
        });
    }
}

function base64(text: string): string {
    return Buffer.from(text).toString("base64");
}
