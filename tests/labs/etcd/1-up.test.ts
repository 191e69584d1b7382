import * as assert from "node:assert/strict";

import { lab, machines, members, webservers } from "../../support/etcd-lab";
import { inside } from "../../support/docker";
import { request } from "../../support/http";
import { eventually } from "../../support/poll";

describe("etcd lab: up from nothing", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());

    it("ends by saying where to look", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["webapp", "haproxyStats", "etcd"]) {
            assert.ok(output.includes(lab.url(name)), `make up does not print urls.${name}`);
        }
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());

    it("has the document's keys, each with a lease", async () => {
        assert.deepEqual(
            await lab.keys("/apps/"),
            Object.fromEntries(
                webservers.map((name, index) => [
                    `/apps/webapp/webapp@${index + 1}.service`,
                    `webapp-${index + 1} ${lab.address(name)}:9000`,
                ]),
            ),
        );
        const found = JSON.parse(await lab.etcdctl(["get", "--prefix", "/apps/", "--write-out=json"])) as {
            kvs: { lease?: number }[];
        };
        assert.ok(found.kvs.every(({ lease }) => lease !== undefined && lease !== 0));
    });

    it("balances over the units, and keeps a visitor at the instance that knows his session", async () => {
        await lab.answers("webapp-1 webapp-2");
        const url = `${lab.url("webapp")}/`;
        const first = await request(url);
        const [cookie = ""] = String(first.headers["set-cookie"]).split(";");
        // The document gave all servers one value.
        assert.match(cookie, /^JSESSIONID=[\w.-]+~[0-9a-f-]{36}$/);
        for (let n = 0; n < 10; n += 1) {
            const again = await request(url, { headers: { cookie } });
            assert.equal(again.headers["x-instance"], first.headers["x-instance"]);
            assert.doesNotMatch(again.body, /~/, "the application sees its own value");
        }
    });

    it("shows statistics and metrics behind a password, health to everybody", async () => {
        const url = lab.url("haproxyStats");
        assert.equal((await request(`${url}/`)).status, 401);
        assert.equal((await request(`${url}/metrics`)).status, 401);
        assert.match((await request(`${url}/`, { auth: lab.statsAuth })).body, /Statistics Report/);
        assert.match((await request(`${url}/metrics`, { auth: lab.statsAuth })).body, /^haproxy_/m);
        for (const page of ["health", "ready"]) {
            assert.equal((await request(`${url}/${page}`)).status, 200, page);
        }
    });

    it("has three members, one of which leads, and no alarm", async () => {
        const found = await lab.members();
        assert.deepEqual(found.map(({ name }) => name).sort(), members);
        assert.ok(found.every(({ learner }) => !learner));
        await eventually("one of them leads", async () =>
            assert.equal((await lab.members()).filter(({ leader }) => leader).length, 1),
        );
        assert.equal((await lab.etcdctl(["alarm", "list"])).trim(), "");
    });

    it("refuses in the preview what would lose the store, and says the way", async () => {
        lab.set({ members: { count: 2 } });
        try {
            const text = await lab.stack.refused("preview");
            assert.match(text, /gatehouse:members\.count: must be odd, such as 1 or 3/);
            assert.doesNotMatch(text, /\n\s+at .*\(.*:\d+:\d+\)/);
        } finally {
            lab.set({ members: undefined });
        }
    });

    it("has no secret in user data, and none in the journals", async () => {
        const secrets = ["ETCDCTL_PASSWORD", "HAPROXY_STATS_PASSWORD"].map((name) => lab.environment(name));
        for (const machine of machines) {
            const container = lab.stack.object(machine);
            const userData = await inside(container, "cat", "/var/lib/cloud/seed/nocloud/user-data");
            assert.doesNotMatch(userData, /BEGIN (EC )?PRIVATE KEY/, machine);
            const journal = await inside(container, "journalctl", "--no-pager", "--output=cat");
            for (const secret of secrets) {
                assert.ok(!userData.includes(secret) && !journal.includes(secret), machine);
            }
        }
    });
});
