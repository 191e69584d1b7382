import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Api, operatorsApi } from "./api";
import { freePorts } from "./free-ports";
import { consulInventory, rehearsalNode } from "./inventory";
import { type RehearsalArgs, type System, withoutCommonKey } from "./system";
import { eventually, launch } from "./throwaway";

const tokenHeader = "X-Consul-Token";

export const consul: System = {
    name: "consul",
    inspect: ["consul", "snapshot", "inspect", "-format=json"],
    index: ["Meta", "Index"],
    rehearse: async (snapshot, args) => {
        const { api, ready } = await startThrowaway(args);
        await api.put("/v1/snapshot", readFileSync(snapshot));
        await eventually(api.name, ready);
        return { items: await consulInventory(api) };
    },
    running: async (environment) => ({ items: await consulInventory(runningConsul(environment)) }),
    stranger: withoutCommonKey("Consul: CA roots of the mesh"),
    restoreInto: ({ environment }, snapshot, say) =>
        restoreIntoConsul(runningConsul(environment), snapshot, say),
};

function runningConsul(environment: Record<string, string>): Api {
    return operatorsApi("Consul", environment, {
        address: "CONSUL_HTTP_ADDR",
        auth: "CONSUL_HTTP_AUTH",
        token: [tokenHeader, "CONSUL_HTTP_TOKEN"],
    });
}

/** One server is enough for a snapshot of many: Raft keeps the peers that it has, and takes the data. */
async function startThrowaway({ datacenter, environment, folder }: RehearsalArgs) {
    const token = environment["CONSUL_HTTP_TOKEN"] ?? "";
    const [http, server, serf] = await freePorts(3);
    const configuration = {
        datacenter,
        node_name: rehearsalNode,
        server: true,
        bootstrap_expect: 1,
        data_dir: join(folder.path, "consul"),
        bind_addr: "127.0.0.1",
        client_addr: "127.0.0.1",
        ports: { http, server, serf_lan: serf, serf_wan: -1, https: -1, dns: -1, grpc: -1, grpc_tls: -1 },
        acl: {
            enabled: true,
            default_policy: "deny",
            tokens: { initial_management: token, agent: token },
        },
        connect: { enabled: true },
        performance: { raft_multiplier: 1 },
        disable_update_check: true,
    };
    const api = new Api("the throwaway Consul", `http://127.0.0.1:${http}`, { token: [tokenHeader, token] });
    const ready = async () => {
        await api.get("/v1/acl/token/self");
        if (!(await api.get<string>("/v1/status/leader"))) {
            throw new Error("it has no leader");
        }
    };
    const file = folder.write("consul.json", JSON.stringify(configuration));
    await launch("consul", ["agent", "-config-file", file], folder, ready);
    return { api, ready };
}

/** Agents stay; what they say of themselves comes back by itself, within two minutes. */
export async function restoreIntoConsul(
    consul: Api,
    snapshot: string,
    say: (line: string) => void,
): Promise<void> {
    await consul.put("/v1/snapshot", readFileSync(snapshot));
    await eventually("Consul", () => consul.get("/v1/acl/token/self"));
    say("Consul has the snapshot's data");
    await forgetFormerMachines(consul, say);
}

interface Member {
    Name: string;
    Tags: { id?: string };
}

interface CatalogueNode {
    Node: string;
    ID: string;
}

/**
 * A new machine with a former one's name could not register: Consul keeps the name for the node id that it knows. So
 * those entries go, and the agents register again.
 */
async function forgetFormerMachines(consul: Api, say: (line: string) => void): Promise<void> {
    const members = await consul.list<Member>("/v1/agent/members");
    const ids = new Map(members.map(({ Name, Tags }) => [Name, Tags.id]));
    const nodes = await consul.list<CatalogueNode>("/v1/catalog/nodes");
    for (const { Node, ID } of nodes.filter((each) => ids.has(each.Node) && ids.get(each.Node) !== each.ID)) {
        await consul.put("/v1/catalog/deregister", { Node });
        say(
            `Consul has forgotten the machine that was ${Node} before (${ID}); the present one registers itself`,
        );
    }
}
