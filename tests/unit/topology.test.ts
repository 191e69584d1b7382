import * as assert from "node:assert/strict";

import { planNodes, rolesOf } from "../../labs/node-plan";
import { renderTopology } from "../../labs/topology";

describe("labs", () => {
    it("plan one machine that is both server and client", () => {
        const nodes = planNodes(1, 0);
        assert.deepEqual(nodes, [{ name: "server-1", server: true, client: true }]);
        assert.deepEqual(nodes.map(rolesOf), [["consul-server", "nomad-server", "nomad-client"]]);
    });

    it("never let a machine be both when there are clients", () => {
        const nodes = planNodes(3, 2);
        assert.deepEqual(
            nodes.map((node) => node.name),
            ["server-1", "server-2", "server-3", "client-1", "client-2"],
        );
        assert.ok(nodes.every((node) => node.server !== node.client));
    });

    it("draw boxes inside boxes, and arrows between them, without Mermaid's special characters in names", () => {
        const diagram = renderTopology(
            [
                { id: "you", label: "you" },
                { id: "server-1", label: 'server-1 "first"' },
                { id: "job.web", label: "web", inside: "server-1" },
            ],
            [{ from: "you", to: "job.web", label: ":80" }],
        );
        assert.equal(
            diagram,
            [
                "flowchart LR",
                '    you["you"]',
                '    subgraph server_1["server-1 #quot;first#quot;"]',
                '        job_web["web"]',
                "    end",
                "    you -->|:80| job_web",
                "",
            ].join("\n"),
        );
    });
});
