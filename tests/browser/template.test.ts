import * as assert from "node:assert/strict";

import { Browser, screenshot } from "../support/browser";
import { eventually } from "../support/poll";
import { lab } from "../support/template-lab";

describe("template lab in a browser", function () {
    this.timeout("10m");

    let browser: Browser;

    before("bring it up and open a browser", async () => {
        await lab.ensureUp();
        const [username = "", password = ""] = lab.statsAuth.split(":");
        browser = await Browser.open({ username, password });
    });
    after("close the browser", () => browser?.close());

    it("shows the web application", async () => {
        const page = await browser.visit(lab.url("webapp"));
        assert.match(await page.locator("body").innerText(), /Hello from web[12]/);
        await page.close();
    });

    it("shows both servers on HAProxy's statistics page", async () => {
        const page = await browser.visit(lab.url("haproxyStats"));
        const up = page.locator("tr", { hasText: /^\s*web[12]\b/m }).filter({ hasText: /\bUP\b/ });
        await eventually("two rows are UP", async () => assert.equal(await up.count(), 2));
        await screenshot(page, "template-stats");
        await page.close();
    });

    it("shows a page that says so when nobody can answer", async () => {
        await lab.docker("kill", "web1", "web2");
        try {
            await lab.answers("status 503");
            const page = await browser.visit(lab.url("webapp"), { status: 503 });
            assert.match(await page.locator("body").innerText(), /No healthy instance can answer/);
            await screenshot(page, "template-unavailable");
            await page.close();
        } finally {
            await lab.docker("start", "web1", "web2");
        }
        await lab.answers("web1 web2");
    });
});
