import * as pulumi from "@pulumi/pulumi";

import { Founding } from "../../components/clusters/etcd/founding";
import type { Machine } from "../../components/machines/machine";

export interface FoundingSettings {
    /** The folder of all machines' seeds. */
    folder: string;
    privateKey: string;
    hostKey: string;
    nodes: { name: string; port: number; instance: string }[];
}

/** The part of an etcd cluster that says who may begin it, as a program. */
export function foundingProgram({ folder, privateKey, hostKey, nodes }: FoundingSettings) {
    const members = nodes.map(({ name, port, instance }): Machine => {
        const connection = { host: "127.0.0.1", port, user: "root", privateKey, hostKey };
        return {
            name,
            roles: [],
            privateAddress: pulumi.output("127.0.0.1"),
            publicAddress: pulumi.output("127.0.0.1"),
            publicInterface: false,
            connection: pulumi.output(connection),
            instanceId: pulumi.output(instance),
            ready: pulumi.output({ bootSeconds: 1 }),
            endpoint: () => pulumi.output({ host: "127.0.0.1", port: 2379 }),
            resource: pulumi.rootStackResource!,
        };
    });
    const seedFile = ({ name }: Machine): string => `${folder}/${name}`;
    const founding = new Founding("etcd", { members, expendable: false, seedFile }, {});
    members.forEach((machine) => founding.seed(machine));
    return { token: founding.clusterToken };
}
