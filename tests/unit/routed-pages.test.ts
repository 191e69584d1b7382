import * as assert from "node:assert/strict";

import { routedReadme, routedTopology } from "../../labs/routed-pages";
import { routedNodes } from "../../settings/routed";

const urls = {
    http: "http://127.0.0.1:8100",
    consul: "https://127.0.0.1:8520",
    nomad: "https://127.0.0.1:4650",
    dashboard: "http://127.0.0.1:9012",
};
const instances = { helloworld: 2, webapp: 3 };

function drawn(servers: number, pools: Record<string, { count: number }>) {
    const nodes = routedNodes({ servers: { count: servers }, pools });
    const diagram = routedTopology({ nodes, instances, urls });
    const boxes = [...diagram.matchAll(/^ *(?:subgraph )?(\w+)\["(.*)"\]$/gm)].map(([, id, label]) => ({
        id: id!,
        label: label!,
    }));
    const arrows = [...diagram.matchAll(/^ *(\w+) -->(?:\|(.*)\|)? (\w+)$/gm)].map(([, from, label, to]) => ({
        from: from!,
        label: label ?? "",
        to: to!,
    }));
    return { diagram, boxes, arrows };
}

describe("the routed lab's pages", () => {
    const sizes: [number, Record<string, { count: number }>][] = [
        [3, { default: { count: 2 } }],
        [1, { default: { count: 1 }, gpu: { count: 2 }, "gpu-1": { count: 1 }, pool: { count: 1 } }],
        [7, { default: { count: 0 } }],
    ];
    for (const [servers, pools] of sizes) {
        it(`draw each machine once, and arrows between boxes that exist: ${servers} and ${JSON.stringify(pools)}`, () => {
            const { diagram, boxes, arrows } = drawn(servers, pools);
            const ids = boxes.map(({ id }) => id);
            assert.equal(new Set(ids).size, ids.length, diagram);
            const machines = boxes.filter(({ label }) => /^[a-z-]+-\d+$|^gpu-1-1$/.test(label));
            const wanted = routedNodes({ servers: { count: servers }, pools }).map(({ name }) => name);
            assert.deepEqual(machines.map(({ label }) => label).sort(), wanted.sort());
            for (const { from, to } of arrows) {
                assert.ok(ids.includes(from) && ids.includes(to), `${from} → ${to}\n${diagram}`);
            }
            // Nothing but these three kinds of lines and the closing ones: what Mermaid cannot read is none of them.
            const closing = diagram.match(/^ *end$/gm) ?? [];
            const lines = diagram.trimEnd().split("\n").length;
            assert.equal(lines, 1 + boxes.length + arrows.length + closing.length, diagram);
            assert.doesNotMatch(diagram, /undefined/);
        });
    }

    it("show where users and operators come in, and what no balancer leads to", () => {
        const { arrows, boxes } = drawn(3, { default: { count: 2 } });
        const leadsTo = (from: string) => arrows.filter((arrow) => arrow.from === from).map(({ to }) => to);
        assert.deepEqual(leadsTo("you"), ["client_1_balancer", "dashboard"]);
        assert.deepEqual(leadsTo("operator"), ["server_1_balancer", "server_1_balancer"]);
        const labels = arrows.map(({ label }) => label).join("\n");
        for (const url of Object.values(urls)) {
            assert.ok(labels.includes(url), url);
        }
        assert.ok(boxes.some(({ id }) => id === "hidden"));
        assert.deepEqual(
            arrows.filter(({ to }) => to === "hidden"),
            [],
        );
    });

    it("have no jobs where no machine runs them", () => {
        const { boxes } = drawn(1, { default: { count: 0 } });
        assert.deepEqual(
            boxes.map(({ id }) => id),
            ["operator", "servers", "server_1", "server_1_agents", "server_1_balancer"],
        );
    });

    it("explain every address that the lab prints", () => {
        const page = routedReadme(urls, "flowchart LR\n", {
            name: "nomad-ca-client-1",
            expires: "2027-11-21T10:00:00Z",
            renewedFrom: "2027-10-22T10:00:00.000Z",
        });
        assert.match(page, /nomad-ca-client-1 ends first, on 2027-11-21; `up` renews it from 2027-10-22 on/);
        for (const [name, url] of Object.entries(urls)) {
            assert.match(
                page,
                new RegExp(`^\\| ${name} \\| ${url.replaceAll(".", "\\.")} \\| \\S.* \\|$`, "m"),
            );
        }
        assert.match(page, /^# Gatehouse: the `routed` lab$/m);
    });

    it("tell of names below localhost only where they lead to the lab", () => {
        const certificate = { name: "x", expires: "2027-11-21", renewedFrom: "2027-10-22" };
        const http = (url: string) => routedReadme({ ...urls, http: url }, "flowchart LR\n", certificate);
        assert.match(http(urls.http), /http:\/\/helloworld\.service\.localhost/);
        assert.doesNotMatch(http("http://203.0.113.80"), /localhost/);
        assert.match(http("http://203.0.113.80"), /curl -H 'Host: helloworld\.service'/);
    });
});
