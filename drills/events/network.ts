import { pause } from "../../tests/support/poll";
import type { Drill, Scene } from "../drill";
import { cutOff, reconnect } from "../scripts";
import { onVictim, victim } from "./victim";

const serverCut = 20;
const clientCut = 40;

async function cut(scene: Scene, name: string, seconds: number): Promise<void> {
    const { lab, machines, say, strike, mend } = scene;
    const peers = lab.names.filter((each) => each !== name).map((each) => lab.address(each));
    say(`${name} is cut off from the others for ${seconds} s`);
    await strike([name], () => machines.run(name, cutOff, ...peers));
    await pause(seconds * 1000);
    say(`${name} is connected again`);
    await mend(() => machines.run(name, reconnect));
}

export const networkDrills: Drill[] = [
    {
        name: "partition",
        title: "a server is cut off",
        what:
            `The machine of Consul's leader is cut off from all others for ${serverCut} seconds, and goes on alone. ` +
            "It acknowledges nothing without a majority and steps down; the others elect a leader.",
        planned: false,
        happen: async (scene) => cut(scene, await scene.lab.leader("consul"), serverCut),
    },
    {
        name: "client-partition",
        title: "a client is cut off",
        what:
            `A machine with instances is cut off for ${clientCut} seconds. Packets vanish, so that a request on a ` +
            "connection that was open waits in vain: such requests fail until the balancers' checks have missed the " +
            "instance twice. Nomad starts new instances on the others, and stops what is too much afterwards.",
        planned: false,
        prepare: onVictim,
        happen: async (scene) => cut(scene, victim(scene.lab), clientCut),
    },
];
