import { eventually, pause } from "../../tests/support/poll";
import type { Drill, Scene } from "../drill";
import { emptyDisks, fillDisks, putBack, smallDisks } from "../scripts";

const full = 30;

/** A server whose data are on small disks has been chosen. */
function chosen({ target }: Scene): string {
    if (target === undefined) {
        throw new Error("no machine has been made ready");
    }
    return target;
}

export const diskDrills: Drill[] = [
    {
        name: "disk",
        title: "a server's disk is full",
        what:
            `The data of Consul's leader and of its machine's Nomad are on a small disk that is full for ${full} ` +
            "seconds. A server that cannot write its log does not lead; what it has acknowledged is on the others' disks.",
        planned: false,
        prepare: async (scene) => {
            const { lab, machines, say } = scene;
            const machine = await lab.leader("consul");
            scene.target = machine;
            say(`the agents' data on ${machine} go to small disks`);
            await machines.run(machine, smallDisks);
            await eventually(
                `${machine} leads Consul again`,
                async () => {
                    const missing = await lab.missing();
                    if (missing.length > 0) {
                        throw new Error(missing.join("; "));
                    }
                    if ((await lab.leader("consul")) !== machine) {
                        // The one that leads hands over, to whom it is told.
                        const peers = await lab.api<{ Servers: { ID: string; Node: string }[] }>(
                            "consul",
                            "/v1/operator/raft/configuration",
                        );
                        const id = peers.Servers.find(({ Node }) => Node === machine)?.ID;
                        await lab.api("consul", `/v1/operator/raft/transfer-leader?id=${id}`, {
                            method: "POST",
                        });
                        throw new Error("another one leads");
                    }
                },
                { within: 90, every: 2000 },
            );
        },
        happen: async (scene) => {
            const { machines, say, strike, mend } = scene;
            const machine = chosen(scene);
            say(`the disks of ${machine} are filled for ${full} s`);
            await strike([], () => machines.run(machine, fillDisks));
            await pause(full * 1000);
            say(`there is space again on ${machine}`);
            await mend(() => machines.run(machine, emptyDisks));
        },
        tidy: async (scene) => {
            const { machines, say } = scene;
            const machine = chosen(scene);
            say(`the data go back to the disk of ${machine}`);
            await machines.run(machine, putBack);
        },
    },
];
