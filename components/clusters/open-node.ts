import { ports } from "../security/ports";
import {
    consulAgent,
    type ConsulAgentArgs,
    consulFolder,
    consulPeers,
    consulService,
    consulUnit,
} from "./consul-agent";
import { joinConfigurations, type NodeConfiguration, type NodeFile } from "./node-files";
import {
    nomadAgent,
    type NomadAgentArgs,
    nomadFolder,
    nomadPeers,
    nomadService,
    nomadUnit,
} from "./nomad-agent";

/** Nomad's API as it is reached on the machine itself. */
export const openNomadApi = `http://127.0.0.1:${ports.nomadHttp.from}`;

/**
 * Everything that a machine of an open cluster is told: Consul's and Nomad's agents without certificates, keys and
 * tokens, for labs on a network of their own. A server may run jobs, too. Holds no secret. Pure.
 *
 * | file | what a change of it takes |
 * |---|---|
 * | `/etc/consul.d/consul.json`, `/etc/nomad.d/nomad.json` | a restart of the agent; tasks go on |
 * | `/etc/consul.d/peers.json`, `/etc/nomad.d/peers.json` | nothing: they matter to an agent that starts |
 */
export function openNode(args: ConsulAgentArgs & NomadAgentArgs): NodeConfiguration {
    return joinConfigurations(openConsul(args), openNomad(args));
}

function openConsul(args: ConsulAgentArgs): NodeConfiguration {
    return {
        files: [
            // Listeners for everybody on the lab's network: operators, balancers and other agents.
            file(`${consulFolder}/consul.json`, { ...consulAgent(args), client_addr: "0.0.0.0" }, consulUnit),
            file(`${consulFolder}/peers.json`, consulPeers(args)),
        ],
        units: [consulService(args)],
    };
}

function openNomad(args: NomadAgentArgs): NodeConfiguration {
    return {
        files: [
            file(`${nomadFolder}/nomad.json`, nomadAgent(args), nomadUnit),
            file(`${nomadFolder}/peers.json`, nomadPeers(args)),
        ],
        units: [nomadService(args, `${openNomadApi}/v1/agent/health`)],
    };
}

/** @param restarts the unit that has to be started anew when the content changes */
function file(path: string, content: object, restarts?: string): NodeFile {
    return {
        path,
        content: `${JSON.stringify(content, undefined, 2)}\n`,
        mode: "0644",
        owner: "root:root",
        ...(restarts !== undefined && { unit: { name: restarts, change: "restart" } }),
    };
}
