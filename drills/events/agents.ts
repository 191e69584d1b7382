import { pause } from "../../tests/support/poll";
import type { Drill } from "../drill";
import type { Api } from "../ledger";
import { killAgent, startConsul, stopConsul } from "../scripts";

const names = { consul: "Consul", nomad: "Nomad" };

function leaderKilled(api: Api, what: string): Drill {
    return {
        name: `${api}-leader`,
        title: `${names[api]}'s leader is killed`,
        what,
        planned: false,
        happen: async ({ lab, machines, say, strike }) => {
            const leader = await lab.leader(api);
            say(`SIGKILL for ${names[api]} on ${leader}, which leads`);
            await strike([], () => machines.run(leader, killAgent, `${api}.service`));
        },
    };
}

const away = 60;

export const agentDrills: Drill[] = [
    leaderKilled(
        "consul",
        "Consul's leading server gets SIGKILL; systemd starts it again a second later. The others elect one of their " +
            "own meanwhile, and writes wait for that. Balancers go on with what they have.",
    ),
    leaderKilled(
        "nomad",
        "The same with Nomad. What runs goes on running: jobs do not need their scheduler.",
    ),
    {
        name: "discovery",
        title: `Consul is away everywhere for ${away} s`,
        what:
            `Consul's agents are stopped on all machines for ${away} seconds. Balancers go on with the last good ` +
            "list, and resolvers answer, because *.service is the machine itself.",
        planned: false,
        leaderless: ["consul"],
        happen: async ({ lab, machines, say, strike, mend }) => {
            const onAll = (script: string) =>
                Promise.all(lab.names.map((name) => machines.run(name, script)));
            say(`Consul stops on ${lab.names.join(", ")}`);
            await strike([], () => onAll(stopConsul));
            await pause(away * 1000);
            say("Consul starts again");
            await mend(() => onAll(startConsul));
        },
    },
];
