import { readFileSync, writeFileSync } from "node:fs";

import { isMap, parseDocument } from "yaml";

import { eventually } from "../../tests/support/poll";
import { settingsOf, stackFile } from "../../toolchain/stackfile";
import type { Drill } from "../drill";
import type { Allocation, DrilledLab } from "../lab";
import { up } from "../up";
import { onVictim, victim } from "./victim";

const setting = "gatehouse:certificates";

/** The stack file with another number at `certificates.rotation`, and everything else as it was. Pure. */
export function withRotation(text: string, rotation: number): string {
    const document = parseDocument(text);
    const path = ["config", setting];
    const certificates = document.getIn(path);
    if (isMap(certificates)) {
        certificates.set("rotation", rotation);
    } else {
        document.setIn(path, { rotation });
    }
    return document.toString();
}

export const plannedDrills: Drill[] = [
    {
        name: "roll",
        title: "new certificates, and back",
        what:
            "`make up` with `certificates.rotation` raised gives every machine new keys and certificates, one after " +
            "the other, and a second `make up` with the stack file as it was does it again.",
        planned: true,
        happen: async ({ stack, journal, say, strike, mend }) => {
            const file = stackFile(stack);
            const before = readFileSync(file, "utf8");
            const rotation = Number(settingsOf(stack)["certificates"]?.rotation ?? 1);
            journal.add({ stackFile: before });
            say(`make up with ${setting}.rotation ${rotation + 1}`);
            await strike([], async () => {
                writeFileSync(file, withRotation(before, rotation + 1));
                await up(stack);
            });
            say("make up with the stack file as it was");
            await mend(async () => {
                writeFileSync(file, before);
                await up(stack);
            });
        },
    },
    {
        name: "drain",
        title: "a client is drained and taken back",
        what:
            "A machine with instances is emptied (`nomad node drain`) and may run jobs again afterwards. Instances " +
            "leave Consul, and thereby every balancer, before they stop.",
        planned: true,
        prepare: onVictim,
        happen: async ({ lab, journal, say, strike, mend }) => {
            const name = victim(lab);
            const { ID } = await lab.node(name);
            journal.add({ drained: name });
            say(`${name} is drained`);
            await strike([], async () => {
                const body = {
                    DrainSpec: { Deadline: 120e9, IgnoreSystemJobs: false },
                    MarkEligible: false,
                };
                await lab.api("nomad", `/v1/node/${ID}/drain`, { method: "PUT", body });
                await eventually(
                    `${name} is empty`,
                    async () => {
                        const all = await lab.api<Allocation[]>("nomad", `/v1/node/${ID}/allocations`);
                        const left = all.filter((each) => each.ClientStatus === "running");
                        if ((await lab.node(name)).Drain || left.length > 0) {
                            throw new Error(`${left.length} allocations run there`);
                        }
                    },
                    { within: 150, every: 500 },
                );
            });
            say(`${name} may run jobs again`);
            await mend(() => allow(lab, name));
        },
    },
];

/** Lets a client run jobs. */
export async function allow(lab: Pick<DrilledLab, "api" | "node">, name: string): Promise<void> {
    const { ID } = await lab.node(name);
    const body = { NodeID: ID, DrainSpec: null, MarkEligible: true };
    await lab.api("nomad", `/v1/node/${ID}/drain`, { method: "PUT", body });
    await lab.api("nomad", `/v1/node/${ID}/eligibility`, {
        method: "PUT",
        body: { NodeID: ID, Eligibility: "eligible" },
    });
}
