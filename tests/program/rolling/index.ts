import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { RollArgs } from "../../../components/clusters/node-script";
import { clusterPlan, RollingNode } from "../../../components/clusters/roll";
import type { Endpoint, Machine } from "../../../components/machines/machine";
import type { Scene } from "./scene";

const scene = JSON.parse(process.env["ROLLING_SCENE"] ?? "{}") as Scene;

const foundation = new command.local.Command("foundation", { create: "true" });

/** A line in the log in place of a machine, and a real SSH server. */
function machineOf(node: Scene["nodes"][number]): Machine {
    const line = (what: string): string => `echo '${node.name} ${what}' >> '${scene.log}'`;
    const resource = new command.local.Command(
        node.name,
        // A new machine knows nothing.
        {
            create: `rm -rf '${node.state}'; ${line("made")}`,
            delete: line("deleted"),
            triggers: [node.generation],
        },
        { deleteBeforeReplace: true, deletedWith: foundation },
    );
    return {
        name: node.name,
        roles: [],
        privateAddress: pulumi.output("127.0.0.1"),
        publicAddress: pulumi.output("127.0.0.1"),
        publicInterface: false,
        connection: pulumi.output(
            pulumi.secret({
                host: "127.0.0.1",
                port: node.port,
                user: "root",
                privateKey: scene.privateKey,
                hostKey: scene.hostKey,
            }),
        ),
        instanceId: resource.id,
        ready: resource.stdout.apply(() => ({ bootSeconds: 0 })),
        endpoint: (): pulumi.Output<Endpoint> => pulumi.output({ host: "127.0.0.1", port: node.port }),
        resource,
    };
}

const members = scene.nodes.map((node) => {
    const machine = machineOf(node);
    const roll: RollArgs = {
        role: "server",
        consul: { api: node.api, token: pulumi.secret(scene.rollToken) },
        timeout: 60,
        state: node.state,
    };
    const member = new RollingNode(
        `${node.name}-node`,
        {
            machine,
            roll,
            units: [],
            configuration: {
                files: [
                    {
                        path: `${node.state}/configuration`,
                        content: `of generation ${node.generation}\n`,
                        mode: "0644",
                        owner: "root:root",
                    },
                ],
                units: [],
            },
        },
        { deletedWith: foundation },
    );
    return { machine, member, roll };
});

const gates = members.map(({ member }) => member.gate);
const [first] = members;
if (first !== undefined) {
    clusterPlan(
        "plan",
        {
            machine: first.machine,
            roll: first.roll,
            servers: scene.nodes.map(({ name }) => name),
            clients: [],
        },
        { dependsOn: gates, deletedWith: foundation },
    );
}
