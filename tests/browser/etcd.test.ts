import * as assert from "node:assert/strict";

import { Browser, screenshot } from "../support/browser";
import { lab } from "../support/etcd-lab";
import { eventually } from "../support/poll";

describe("etcd lab in a browser", function () {
    this.timeout("10m");

    let browser: Browser;
    before("bring it up and open a browser", async () => {
        await lab.ensureUp();
        await lab.answers("webapp-1 webapp-2");
        const [username = "", password = ""] = lab.statsAuth.split(":");
        browser = await Browser.open({ username, password });
    });
    after("close the browser", () => browser?.close());

    it("shows the web application, and keeps a visitor at his instance", async () => {
        const page = await browser.visit(lab.url("webapp"));
        const instance = async (): Promise<string | undefined> =>
            /webapp-\d/.exec(await page.locator("body").innerText())?.[0];
        const first = await instance();
        assert.ok(first, await page.locator("body").innerText());
        for (let n = 0; n < 5; n += 1) {
            await page.reload();
            assert.equal(await instance(), first);
        }
        await screenshot(page, "etcd-webapp");
        await page.close();
    });

    it("shows a row for each healthy unit on HAProxy's statistics page", async () => {
        const page = await browser.visit(lab.url("haproxyStats"));
        for (const unit of ["webapp-1", "webapp-2"]) {
            const row = page.locator("tr", { hasText: unit }).filter({ hasText: /\bUP\b/ });
            await eventually(`${unit} is UP`, async () => assert.equal(await row.count(), 1));
        }
        await screenshot(page, "etcd-stats");
        await page.close();
    });

    it("shows what the guard has left to do, and what it has left out", async () => {
        const unusable = "/apps/webapp/nonsense";
        await lab.etcdctl(["put", unusable, "x"]);
        try {
            const page = await browser.visit(`${lab.url("haproxyStats")}/guard/status`);
            await eventually("the entry is named with the reason", async () => {
                await page.reload();
                assert.match(
                    await page.locator("body").innerText(),
                    /left out +"\/apps\/webapp\/nonsense": /,
                );
            });
            await screenshot(page, "etcd-guard");
            await page.close();
        } finally {
            await lab.etcdctl(["del", unusable]);
        }
    });

    it("does not open its statistics to somebody without the password", async () => {
        const stranger = await Browser.open();
        try {
            await assert.rejects(stranger.visit(lab.url("haproxyStats")), /401|ERR_INVALID_AUTH_CREDENTIALS/);
        } finally {
            await stranger.close();
        }
    });
});
