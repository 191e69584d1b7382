import * as assert from "node:assert/strict";

import { ports, rulesFor, type PortRule } from "../../../components/security/ports";
import { imageReference } from "../../../toolchain/images";
import { getJson } from "../../support/http";
import {
    inhabitant,
    probe,
    stranger,
    type Caller,
    type Reply,
    type Target,
} from "../../support/linode/docker/prober";
import { rehearsedLab } from "../../support/linode-lab";

type Who = "operator" | "stranger" | "balancer" | "neighbour" | "peer" | "peer from outside";

/** A machine with the addresses that each caller knows it by. */
interface Host {
    name: string;
    container: string;
    public: string;
    private?: string;
    vpc: string;
}

/** What operators may reach, beside SSH, by machine: one has Consul's and Nomad's pages, another the statistics. */
const operators: Record<string, number[]> = {
    "server-1": [ports.consulHttp.from, ports.nomadHttp.from],
    "client-1": [ports.haproxyStats.from, 9002],
};

/** A port that no rule names. */
const unnamed = 12345;

/** Each port of the table; of a range its ends. */
const tried: Pick<Target, "protocol" | "port">[] = [
    ...Object.values(ports as Record<string, PortRule>).flatMap(({ from, to, protocols }) =>
        protocols.flatMap((protocol) => [...new Set([from, to])].map((port) => ({ protocol, port }))),
    ),
    { protocol: "tcp", port: 9002 },
    { protocol: "tcp", port: unnamed },
    { protocol: "udp", port: unnamed },
];

/** The table once more: what a caller may reach of a machine. All else has to be silent. */
function allowed(who: Who, host: string, { protocol, port }: Pick<Target, "protocol" | "port">): boolean {
    switch (who) {
        case "operator":
            return protocol === "tcp" && [ports.ssh.from, ...(operators[host] ?? [])].includes(port);
        case "balancer":
            return protocol === "tcp" && port === ports.http.from;
        case "peer":
            return rulesFor("peers", host === "registry" ? ["registry"] : labPorts).some(
                ({ from, to, protocols }) => port >= from && port <= to && protocols.includes(protocol),
            );
        case "stranger":
        case "neighbour":
        case "peer from outside":
            return false;
    }
}

const labPorts = (Object.keys(ports) as (keyof typeof ports)[]).filter((name) => name !== "registry");

describe("linode: who reaches what", function () {
    this.timeout("5m");

    const image = imageReference("machine-rehearsal");
    let hosts: Host[];
    let balancer: string;
    let callers: Record<Who, Caller>;

    before("bring it up", async () => {
        const { emulator, driver } = await rehearsedLab();
        const headers = { authorization: `Bearer ${emulator.token}` };
        const list = async <T>(path: string): Promise<T[]> =>
            (await getJson<{ data: T[] }>(`${emulator.url}/v4${path}`, { headers })).data;
        const instances = await list<{ id: number; label: string; ipv4: string[] }>("/linode/instances");
        hosts = await Promise.all(
            instances.map(async ({ id, label, ipv4 }): Promise<Host> => {
                const [config] = await list<{ interfaces: { ipv4?: { vpc?: string } }[] }>(
                    `/linode/instances/${id}/configs`,
                );
                return {
                    name: label.replace(/^gatehouse-linode-/, ""),
                    container: driver.nameOf(`linode-${id}`),
                    public: ipv4[0]!,
                    private: ipv4[1],
                    vpc: config!.interfaces.find(({ ipv4: own }) => own?.vpc)!.ipv4!.vpc!,
                };
            }),
        );
        balancer = (await list<{ ipv4: string }>("/nodebalancers"))[0]!.ipv4;
        const from = (network: string, address?: string) =>
            stranger(image, network, driver.labels(), address);
        const peer = inhabitant(hosts.find(({ name }) => name === "server-2")!.container);
        callers = {
            operator: from("host"),
            stranger: from(driver.nameOf("internet")),
            // As another NodeBalancer would: whose it is, the source does not tell.
            balancer: from(driver.nameOf("private"), "192.168.255.250"),
            neighbour: from(driver.nameOf("private"), "192.168.130.7"),
            peer,
            "peer from outside": peer,
        };
    });

    const addressFor = (who: Who, host: Host): string | undefined =>
        who === "peer" ? host.vpc : who === "balancer" || who === "neighbour" ? host.private : host.public;

    for (const who of [
        "operator",
        "stranger",
        "balancer",
        "neighbour",
        "peer",
        "peer from outside",
    ] as const) {
        it(`a caller that is ${/^[ao]/.test(who) ? "an" : "a"} ${who}`, async () => {
            const targets = hosts
                .filter(({ name }) => !(who.startsWith("peer") && name === "server-2"))
                .flatMap((host) => {
                    const address = addressFor(who, host);
                    return address === undefined
                        ? []
                        : tried.map((each) => ({ ...each, address, host: host.name }));
                });
            const replies = await probe(callers[who], targets);
            const wrong = targets
                .map((target, index) => ({ ...target, reply: replies[index] as Reply }))
                .filter(({ host, reply, ...each }) => allowed(who, host, each) === (reply === "silent"))
                .map(({ host, protocol, port, reply }) => `${host} ${protocol} ${port}: ${reply}`);
            assert.deepEqual(wrong, []);
            assert.ok(targets.length >= tried.length);
        });
    }

    it("everybody reaches the page, through the NodeBalancer alone", async () => {
        const open = [80, 22, 443, 1936].map((port): Target => ({
            protocol: "tcp",
            address: balancer,
            port,
        }));
        assert.deepEqual(
            (await probe(callers.stranger, open)).map((reply) => reply === "open"),
            [true, false, false, false],
        );
    });
});
