import * as assert from "node:assert/strict";

import { inTheWay } from "../../../rehearsal/ranges";

describe("the ranges of a rehearsal", () => {
    const networks = [
        { name: "bridge", ranges: ["172.17.0.0/16"] },
        { name: "gatehouse-dev-network", ranges: ["10.213.0.0/24"] },
        { name: "host", ranges: [] },
    ];

    it("may not be those of a Docker network, or part of them, or around them", () => {
        const told = ["the Docker network gatehouse-dev-network has 10.213.0.0/24"];
        assert.deepEqual(inTheWay(networks, ["198.18.0.0/15", "10.213.0.0/24"]), told);
        assert.deepEqual(inTheWay(networks, ["10.213.0.128/25"]), told);
        assert.deepEqual(inTheWay(networks, ["10.0.0.0/8"]), told);
    });

    it("may lie beside them", () => {
        assert.deepEqual(inTheWay(networks, ["198.18.0.0/15", "10.214.0.0/24"]), []);
    });
});
