import * as assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { Browser, screenshot, shows } from "../support/browser";
import { lab } from "../support/nomad-lab";
import { eventually } from "../support/poll";

describe("nomad lab in a browser", function () {
    this.timeout("10m");

    let browser: Browser;

    before("bring it up and open a browser", async () => {
        await lab.ensureUp();
        const [username = "", password = ""] = lab.statsAuth.split(":");
        browser = await Browser.open({ username, password });
    });
    after("close the browser", () => browser?.close());

    async function text(page: Page, selector: string): Promise<string> {
        return (await page.locator(selector).innerText()).trim();
    }

    async function dashboardSays(page: Page, state: string): Promise<void> {
        await eventually(
            `the dashboard says ${state}`,
            async () => assert.equal(await text(page, "#status"), state, await text(page, "body")),
            { within: 45 },
        );
    }

    it("shows the web application", async () => {
        const page = await browser.visit(lab.url("webapp"));
        assert.match(await page.locator("body").innerText(), /Hello from demo-webapp/);
        await page.close();
    });

    it("shows three healthy servers on HAProxy's statistics page", async () => {
        const page = await browser.visit(lab.url("haproxyStats"));
        const up = page.locator("tr", { hasText: /webapp\d+/ }).filter({ hasText: /\bUP\b/ });
        await eventually("three rows are UP", async () => assert.equal(await up.count(), 3));
        await screenshot(page, "haproxy-stats");
        await page.close();
    });

    it("shows what HAProxy has heard from Consul", async () => {
        const page = await browser.visit(`${lab.url("haproxyStats")}/discovery`);
        const up = page.locator("tbody td", { hasText: /^UP/ });
        await eventually("three servers are UP", async () => assert.equal(await up.count(), 3));
        assert.match(
            await page.locator("body").innerText(),
            /demo-webapp\s+3 of 16 servers in use\. Consul said so/,
        );
        await screenshot(page, "discovery");
        await page.close();
    });

    it("does not show the statistics to somebody without the password", async () => {
        const stranger = await Browser.open();
        try {
            await assert.rejects(stranger.visit(lab.url("haproxyStats")), /401|ERR_INVALID_AUTH_CREDENTIALS/);
        } finally {
            await stranger.close();
        }
    });

    it("loads Consul's UI with the services", async () => {
        const page = await browser.visit(lab.url("consul"));
        await shows(page, ["demo-webapp", "haproxy", "count-dashboard"]);
        await screenshot(page, "consul");
        await page.close();
    });

    it("loads Nomad's UI with the jobs", async () => {
        const page = await browser.visit(lab.url("nomad"));
        await shows(page, ["demo-webapp", "haproxy", "countdash"]);
        await screenshot(page, "nomad");
        await page.close();
    });

    it("counts live on the dashboard", async () => {
        const page = await browser.visit(lab.url("dashboard"));
        await dashboardSays(page, "reachable");
        const count = async () => Number((await text(page, "#count")).replaceAll(",", ""));
        const first = await count();
        await eventually("the count rises by three on the open page", async () => {
            const now = await count();
            assert.ok(now >= first + 3, `${first}, then ${now}`);
        });
        assert.equal(await page.locator("#error").isVisible(), false);
        await screenshot(page, "dashboard-reachable");
        await page.close();
    });

    it("says so while the intention denies, and counts again when it allows", async () => {
        const page = await browser.visit(lab.url("dashboard"));
        await dashboardSays(page, "reachable");

        await lab.change({ countdash: { intention: "deny" } });
        await dashboardSays(page, "unreachable");
        // What was under way may have ended otherwise.
        await eventually("it says why", async () =>
            assert.match(await text(page, "#error"), /unreachable: .*intention denies/),
        );
        await screenshot(page, "dashboard-denied");

        await lab.change({ countdash: { intention: "allow" } });
        await dashboardSays(page, "reachable");
        await page.close();
        await lab.stack.previewsNothing();
    });
});
