import { pause } from "../../tests/support/poll";
import type { Drill, Scene } from "../drill";
import { onVictim, victim } from "./victim";

/** Seconds. Nomad gives a client up 25 to 30 seconds after its last sign of life, and places its work elsewhere. */
const serverAway = 20;
const clientAway = 40;

async function killed({ machines, say, strike, mend }: Scene, name: string, seconds: number): Promise<void> {
    say(`the power of ${name} is cut for ${seconds} s`);
    await strike([name], () => machines.kill(name));
    await pause(seconds * 1000);
    say(`${name} is switched on`);
    await mend(() => machines.start(name));
}

export const machineDrills: Drill[] = [
    {
        name: "server",
        title: "a server's machine dies and comes back",
        what:
            `The machine of Consul's leader loses its power for ${serverAway} seconds. Two servers are a majority of ` +
            "three: they elect a leader and go on.",
        planned: false,
        happen: async (scene) => killed(scene, await scene.lab.leader("consul"), serverAway),
    },
    {
        name: "client",
        title: "a client's machine dies and comes back",
        what:
            `A machine with instances loses its power for ${clientAway} seconds. Requests that are under way there ` +
            "fail, and so may those that a balancer sends before its checks have missed the instance twice; a " +
            "connection that is refused or not answered is tried elsewhere. Nomad starts new instances on the others.",
        planned: false,
        prepare: onVictim,
        happen: async (scene) => killed(scene, victim(scene.lab), clientAway),
    },
    {
        name: "paused",
        title: "a server's machine stands still",
        what:
            `The machine of Consul's leader stands still for ${serverAway} seconds and does not know it. Its ` +
            "connections stay open, but nobody answers: the others elect a leader. It finds that out when it goes on.",
        planned: false,
        happen: async ({ lab, machines, say, strike, mend }) => {
            const leader = await lab.leader("consul");
            say(`${leader} stands still for ${serverAway} s`);
            await strike([leader], () => machines.pause(leader));
            await pause(serverAway * 1000);
            say(`${leader} goes on`);
            await mend(() => machines.resume(leader));
        },
    },
    {
        name: "restart",
        title: "all machines restart at once",
        what:
            "All machines shut down and boot again. Whoever asks meanwhile is not answered: nothing is there. The " +
            "clusters form again from what is on their disks, and the jobs start again.",
        planned: false,
        leaderless: ["consul", "nomad"],
        happen: async ({ lab, machines, say, strike, mend }) => {
            say(`${lab.names.join(", ")} shut down`);
            await strike(lab.names, () => Promise.all(lab.names.map((name) => machines.shutDown(name))));
            say("all are switched on");
            await mend(() => Promise.all(lab.names.map((name) => machines.start(name))));
        },
    },
];
