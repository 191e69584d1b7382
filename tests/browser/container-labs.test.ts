import * as assert from "node:assert/strict";

import { Browser, screenshot } from "../support/browser";
import { eventually } from "../support/poll";
import { lab as sticky } from "../support/sticky-lab";
import { lab as template } from "../support/template-lab";

const labs = [
    { name: "sticky", lab: sticky, servers: ["back1", "back2"] },
    { name: "template", lab: template, servers: ["web1", "web2"] },
];

for (const { name, lab, servers } of labs) {
    describe(`${name} lab in a browser`, function () {
        this.timeout("10m");

        let browser: Browser;
        before("bring it up and open a browser", async () => {
            await lab.ensureUp();
            await lab.answers(servers.join(" "));
            const [username = "", password = ""] = lab.statsAuth.split(":");
            browser = await Browser.open({ username, password });
        });
        after("close the browser", () => browser?.close());

        it("shows a row for each healthy server on HAProxy's statistics page", async () => {
            const page = await browser.visit(lab.url("haproxyStats"));
            for (const server of servers) {
                const row = page.locator("tr", { hasText: server }).filter({ hasText: /\bUP\b/ });
                await eventually(`${server} is UP`, async () => assert.equal(await row.count(), 1));
            }
            await screenshot(page, `${name}-stats`);
            await page.close();
        });

        it("shows who answers, and a page that says so when nobody can", async () => {
            const page = await browser.visit(lab.url("webapp"));
            assert.match(await page.locator("body").innerText(), /Hello from/);
            await lab.docker("stop", ...servers);
            await lab.answers("status 503");
            await page.reload();
            assert.match(await page.locator("h1").innerText(), /not available/i);
            await screenshot(page, `${name}-unavailable`);
            await lab.docker("start", ...servers);
            await lab.answers(servers.join(" "));
            await page.reload();
            assert.match(await page.locator("body").innerText(), /Hello from/);
            await page.close();
        });
    });
}
