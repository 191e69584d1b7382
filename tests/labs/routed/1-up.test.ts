import * as assert from "node:assert/strict";

import { clients, lab, machines } from "../../support/routed-lab";

describe("routed lab: up from nothing", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());

    it("ends by saying where to look", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["http", "consul", "nomad", "dashboard"]) {
            assert.ok(output.includes(lab.url(name)), `make up does not print urls.${name}`);
        }
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());

    it("refuses in the preview what would lose the quorum, and tokens that jump", async () => {
        lab.set({ servers: { count: 1 }, tokens: { rotation: 3 } });
        try {
            const text = await lab.stack.refused("preview");
            assert.match(text, /gatehouse:servers\.count: 1 keeps 1 of the cluster's 3 servers/);
            assert.match(text, /one by one, each with an up, 2 first/);
            assert.doesNotMatch(text, /\n\s+at .*\(.*:\d+:\d+\)/);
        } finally {
            lab.set({ servers: undefined, tokens: undefined });
        }
    });

    it("answers by name on every machine, and to clients from outside", async () => {
        for (const machine of machines) {
            await lab.reaches(machine, "helloworld");
            await lab.reaches(machine, "demo-webapp");
        }
        assert.equal(await lab.status("helloworld"), 200);
    });

    it("answers by name inside the containers of the jobs", async () => {
        const script =
            'require("http").get("http://helloworld.service/", ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))';
        let asked = 0;
        for (const client of clients) {
            for (const name of await lab.tasks(client)) {
                await lab.beside(client, name, script);
                asked += 1;
            }
        }
        assert.ok(asked >= 8, `only ${asked} containers were asked`);
    });

    it("leaves a service without the tag unreachable by name", async () => {
        for (const machine of ["server-2", "client-2"]) {
            assert.match(await lab.ask(machine, "http://hidden.service/"), /hidden\.service[\s\S]*\n404$/);
        }
        assert.equal(await lab.status("hidden"), 404);
    });

    it("resolves services to the machine itself, Consul's names, and everybody else's", async () => {
        const looked = (name: string): Promise<string> => lab.on("client-2", "getent", "ahostsv4", name);
        assert.ok((await looked("anything.service")).startsWith(`${lab.address("client-2")} `));
        assert.match(await looked("consul.service.consul"), /^\d+\.\d+\.\d+\.1[123] /);
        assert.ok((await looked("server-3.node.consul")).startsWith(`${lab.address("server-3")} `));
        // A name of Docker's, which only the resolver knows that the machine had before.
        assert.match(await looked(lab.stack.object("registry")), /^\d+\.\d+\.\d+\.2 /);
    });

    it("resolves them in containers, too", async () => {
        const script = `require("dns").lookup("${lab.stack.object("registry")}", (error) => process.exit(error ? 1 : 0))`;
        const [name] = await lab.tasks("client-1");
        assert.ok(name, "client-1 runs no container of a job");
        await lab.beside("client-1", name, script);
    });
});
