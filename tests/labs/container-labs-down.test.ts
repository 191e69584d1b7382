import * as assert from "node:assert/strict";

import { request } from "../support/http";
import { eventually } from "../support/poll";
import { lab as sticky } from "../support/sticky-lab";
import { lab as template } from "../support/template-lab";

const nothing = { containers: [], networks: [], volumes: [] };
/** `early` is a container whose `up` is killed when it is there. */
const labs = [
    { name: "sticky", lab: sticky, servers: "back1 back2", early: "back1" },
    { name: "template", lab: template, servers: "web1 web2", early: "haproxy" },
];

for (const { name, lab, servers, early } of labs) {
    describe(`${name} lab: down and interrupted`, function () {
        this.timeout("10m");

        before("bring it up", () => lab.ensureUp());
        after("remove what is left", () => lab.stack.startAfresh());

        it("leaves nothing", async () => {
            const urls = Object.values(lab.outputs.urls);
            await lab.stack.must("down");
            lab.forget();
            assert.deepEqual(await lab.stack.inventory(), nothing);
            assert.deepEqual(lab.stack.stateFiles(), []);
            for (const url of urls) {
                await assert.rejects(request(url), /ECONNREFUSED/, `${url} still answers`);
            }
        });

        it("is finished by the next up after it was killed, and removed by down", async () => {
            lab.stack.configure();
            const up = lab.stack.start("up");
            await eventually(
                `the container ${early} is there`,
                async () =>
                    assert.ok((await lab.stack.inventory()).containers.includes(lab.stack.object(early))),
                { within: 120, every: 50 },
            );
            await up.kill();
            await up.done;
            await lab.up();
            await lab.answers(servers);
            await lab.stack.previewsNothing();
            await lab.stack.must("down");
            lab.forget();
            assert.deepEqual(await lab.stack.inventory(), nothing);
        });
    });
}
