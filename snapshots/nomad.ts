import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Api, operatorsApi } from "./api";
import { freePorts } from "./free-ports";
import { nomadInventory, rehearsalNode } from "./inventory";
import { type RehearsalArgs, type System, withoutCommonKey } from "./system";
import { eventually, launch } from "./throwaway";

const tokenHeader = "X-Nomad-Token";

export const nomad: System = {
    name: "nomad",
    inspect: ["nomad", "operator", "snapshot", "inspect", "-json"],
    index: ["Meta", "Index"],
    rehearse: async (snapshot, args) => {
        const { api, ready } = await startThrowaway(args);
        await api.put("/v1/operator/snapshot", readFileSync(snapshot));
        await eventually(api.name, ready);
        return { items: await nomadInventory(api) };
    },
    running: async (environment) => ({ items: await nomadInventory(runningNomad(environment)) }),
    stranger: withoutCommonKey("Nomad: keys of identities"),
    restoreInto: ({ environment }, snapshot, say) =>
        restoreIntoNomad(runningNomad(environment), snapshot, say),
};

function runningNomad(environment: Record<string, string>): Api {
    return operatorsApi("Nomad", environment, {
        address: "NOMAD_ADDR",
        auth: "NOMAD_HTTP_AUTH",
        token: [tokenHeader, "NOMAD_TOKEN"],
    });
}

/** One server is enough for a snapshot of many: Raft keeps the peers that it has, and takes the data. */
async function startThrowaway({ datacenter, environment, folder }: RehearsalArgs) {
    const token = environment["NOMAD_TOKEN"] ?? "";
    const [http, rpc, serf] = await freePorts(3);
    const configuration = {
        datacenter,
        name: rehearsalNode,
        data_dir: join(folder.path, "nomad"),
        bind_addr: "127.0.0.1",
        advertise: { http: "127.0.0.1", rpc: `127.0.0.1:${rpc}`, serf: `127.0.0.1:${serf}` },
        ports: { http, rpc, serf },
        // Nothing is to be scheduled: what the snapshot holds stays as it is.
        server: { enabled: true, bootstrap_expect: 1, raft_multiplier: 1, enabled_schedulers: [] },
        acl: { enabled: true },
        // There may be a Consul on this computer, which is not to hear of this.
        consul: { address: "127.0.0.1:9", auto_advertise: false, server_auto_join: false },
        disable_update_check: true,
    };
    const api = new Api("the throwaway Nomad", `http://127.0.0.1:${http}`, { token: [tokenHeader, token] });
    const ready = async () => {
        await api.get("/v1/acl/token/self");
        const keys = await api.get<{ keys?: unknown[] }>("/.well-known/jwks.json");
        if (!keys?.keys?.length) {
            throw new Error("its keyring is empty");
        }
    };
    const file = folder.write("nomad.json", JSON.stringify(configuration));
    await launch("nomad", ["agent", "-config", file], folder, () =>
        api.put("/v1/acl/bootstrap", { BootstrapSecret: token }),
    );
    await eventually("the throwaway Nomad", ready);
    return { api, ready };
}

/** Clients stay, and what runs on them: Nomad knows them again by the ids in the snapshot. */
export async function restoreIntoNomad(
    nomad: Api,
    snapshot: string,
    say: (line: string) => void,
): Promise<void> {
    await nomad.put("/v1/operator/snapshot", readFileSync(snapshot));
    await eventually("Nomad", () => nomad.get("/v1/acl/token/self"));
    say("Nomad has the snapshot's data");
}
