import { readFileSync } from "node:fs";

import type { Api } from "./api";
import { eventually } from "./rehearsal";

interface Member {
    Name: string;
    Tags: { id?: string };
}

interface CatalogueNode {
    Node: string;
    ID: string;
}

/**
 * Replaces all that the running clusters know by what the snapshots hold: for a cluster that has lost its data, on new
 * machines. Agents and jobs' clients stay; what they say of themselves comes back by itself, within two minutes.
 *
 * @param paths the snapshots in plain text
 */
export async function restoreInto(
    apis: { consul: Api; nomad: Api },
    paths: { consul: string; nomad: string },
    say: (line: string) => void,
): Promise<void> {
    const { consul, nomad } = apis;
    await consul.put("/v1/snapshot", readFileSync(paths.consul));
    await eventually("Consul", () => consul.get("/v1/acl/token/self"));
    say("Consul has the snapshot's data");
    await forgetFormerMachines(consul, say);
    await nomad.put("/v1/operator/snapshot", readFileSync(paths.nomad));
    await eventually("Nomad", () => nomad.get("/v1/acl/token/self"));
    say("Nomad has the snapshot's data");
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
