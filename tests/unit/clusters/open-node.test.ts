import * as assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import type { NodeAddress } from "../../../components/clusters/node";
import type { NodeConfiguration, NodeFile } from "../../../components/clusters/node-files";
import { openNode } from "../../../components/clusters/open-node";
import { findTool } from "../../support/agents";
import { run } from "../../support/command";

const five: NodeAddress[] = [1, 2, 3, 4, 5].map((n) => ({ name: `server-${n}`, address: `10.213.0.1${n}` }));
const three = five.slice(0, 3);
const [server] = five as [NodeAddress];
const alone = [server];
const client: NodeAddress = { name: "client-1", address: "10.213.0.21" };
const tasks = { sidecarImage: "10.213.0.2:5000/envoy:1", infraImage: "10.213.0.2:5000/pause:1" };

/** Every kind of machine that a lab may ask for. */
const nodes: Record<string, NodeConfiguration> = {
    "one machine that is everything": open(server, alone, true),
    "a server of three": open(server, three, false),
    "a server of three that runs jobs": open(server, three, true),
    "a client of three servers": open(client, three, true),
};

function open(
    node: NodeAddress,
    servers: NodeAddress[],
    runsJobs: boolean,
    logLevel?: string,
): NodeConfiguration {
    return openNode({ datacenter: "dc1", node, servers, logLevel, ...(runsJobs ? { client: tasks } : {}) });
}

/** The files that differ. */
function changed(before: NodeConfiguration, after: NodeConfiguration): NodeFile[] {
    const contents = new Map(before.files.map(({ path, content }) => [path, content]));
    assert.deepEqual(
        [...contents.keys()],
        after.files.map(({ path }) => path),
    );
    return after.files.filter(({ path, content }) => contents.get(path) !== content);
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever is in the file
function read(configuration: NodeConfiguration, path: string): any {
    const file = configuration.files.find((each) => each.path === path);
    assert.ok(file, `there is no ${path}`);
    return JSON.parse(file.content);
}

describe("a node of an open cluster", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-open-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    for (const [what, configuration] of Object.entries(nodes)) {
        it(`that is ${what} satisfies Consul and Nomad`, async function () {
            this.timeout(60_000);
            for (const { path, content } of configuration.files) {
                mkdirSync(dirname(join(folder, path)), { recursive: true });
                writeFileSync(join(folder, path), content);
            }
            const consul = await run(findTool("consul"), ["validate", join(folder, "etc/consul.d")]);
            assert.equal(consul.code, 0, consul.output);
            const nomad = await run(findTool("nomad"), ["config", "validate", join(folder, "etc/nomad.d")]);
            assert.equal(nomad.code, 0, nomad.output);
        });
    }

    it("is told of its peers, a client of all servers, and a lonely server of nobody", () => {
        const others = ["10.213.0.12", "10.213.0.13"];
        const everybody = three.map(({ address }) => address);
        const consul = (node: NodeConfiguration) => read(node, "/etc/consul.d/peers.json");
        const nomad = (node: NodeConfiguration) => read(node, "/etc/nomad.d/peers.json");
        const [lonely, one, onlyClient] = [
            nodes["one machine that is everything"]!,
            nodes["a server of three that runs jobs"]!,
            nodes["a client of three servers"]!,
        ];
        assert.deepEqual([consul(one).retry_join, consul(one).bootstrap_expect], [others, 3]);
        assert.deepEqual(
            [consul(onlyClient).retry_join, consul(onlyClient).bootstrap_expect],
            [everybody, undefined],
        );
        assert.deepEqual([consul(lonely).retry_join, consul(lonely).bootstrap_expect], [[], 1]);

        assert.deepEqual(nomad(one).server.server_join.retry_join, others);
        assert.equal(nomad(one).server.bootstrap_expect, 3);
        // The client in a server asks that server.
        assert.deepEqual(nomad(one).client, { servers: ["127.0.0.1:4647"] });
        assert.deepEqual(nomad(onlyClient).client.server_join.retry_join, everybody);
        assert.equal(nomad(onlyClient).server, undefined);
        assert.equal(nomad(lonely).server.server_join, undefined);
        assert.deepEqual(nomad(nodes["a server of three"]!).client, undefined);
    });

    it("is what its place says", () => {
        const roles = (node: NodeConfiguration) => {
            const nomad = read(node, "/etc/nomad.d/nomad.json");
            return [
                read(node, "/etc/consul.d/consul.json").server,
                nomad.server?.enabled === true,
                nomad.client?.enabled === true,
            ];
        };
        assert.deepEqual(Object.values(nodes).map(roles), [
            [true, true, true],
            [true, true, false],
            [true, true, true],
            [false, false, true],
        ]);
    });

    it("restarts no agent when there are more or fewer servers", () => {
        for (const [node, runsJobs] of [
            [server, true],
            [client, true],
        ] as const) {
            const files = changed(open(node, three, runsJobs), open(node, five, runsJobs));
            assert.deepEqual(
                files.map(({ path, unit }) => [path, unit]),
                [
                    ["/etc/consul.d/peers.json", undefined],
                    ["/etc/nomad.d/peers.json", undefined],
                ],
            );
        }
    });

    it("restarts its agents, Consul first, when they shall log more", () => {
        const files = changed(open(server, alone, true), open(server, alone, true, "DEBUG"));
        assert.deepEqual(
            files.map(({ unit }) => unit),
            [
                { name: "consul.service", change: "restart" },
                { name: "nomad.service", change: "restart" },
            ],
        );
        assert.deepEqual(
            nodes["a server of three"]!.units.map(({ name }) => name),
            ["consul.service", "nomad.service"],
        );
    });

    it("stays a member when its agent restarts, as a server and as a client", () => {
        for (const node of Object.values(nodes)) {
            const consul = read(node, "/etc/consul.d/consul.json");
            assert.deepEqual([consul.leave_on_terminate, consul.skip_leave_on_interrupt], [false, true]);
            const nomad = read(node, "/etc/nomad.d/nomad.json");
            assert.deepEqual([nomad.leave_on_terminate, nomad.leave_on_interrupt], [true, false]);
        }
    });
});
