import * as assert from "node:assert/strict";

import { Browser, screenshot, shows } from "../support/browser";
import { lab } from "../support/routed-lab";
import { eventually } from "../support/poll";

describe("routed lab in a browser", function () {
    this.timeout("10m");

    let browser: Browser;
    before("bring it up and open a browser", async () => {
        await lab.ensureUp();
        const [username = "", password = ""] = lab.environment("CONSUL_HTTP_AUTH").split(":");
        // As a person does who goes on after the warning about a CA that the browser does not know.
        browser = await Browser.open({ username, password }, { ignoreHTTPSErrors: true });
    });
    after("close the browser", () => browser?.close());

    it("does not open to somebody without the password", async () => {
        const stranger = await Browser.open(undefined, { ignoreHTTPSErrors: true });
        try {
            for (const api of ["consul", "nomad"] as const) {
                await assert.rejects(stranger.visit(lab.url(api)), /401|ERR_INVALID_AUTH_CREDENTIALS/, api);
            }
        } finally {
            await stranger.close();
        }
    });

    it("shows Consul's services after a log-in with a token", async () => {
        const page = await browser.visit(`${lab.url("consul")}/ui/`);
        await page.getByRole("button", { name: "Log in" }).first().click();
        const input = page.locator('input[name="auth[SecretID]"]');
        await input.fill(lab.environment("CONSUL_HTTP_TOKEN"));
        await input.press("Enter");
        await page.getByText("You are now logged in.").waitFor({ timeout: 30_000 });
        // The page goes on with the list that it has asked for as nobody.
        await page.goto(`${lab.url("consul")}/ui/dc1/services`, { waitUntil: "domcontentloaded" });
        await shows(page, ["helloworld", "hidden", "demo-webapp", "count-dashboard"]);
        await screenshot(page, "routed-consul");
        await page.close();
    });

    it("shows Nomad's jobs after a log-in with a token", async () => {
        const page = await browser.visit(`${lab.url("nomad")}/ui/settings/tokens`);
        // Somebody without a token is somebody, too.
        await page.getByRole("button", { name: "Sign Out" }).click();
        await page.locator("#token-input").fill(lab.environment("NOMAD_TOKEN"));
        await page
            .getByRole("button", { name: /sign in/i })
            .first()
            .click();
        await page
            .getByText(/token authenticated/i)
            .first()
            .waitFor({ timeout: 30_000 });
        await page.goto(`${lab.url("nomad")}/ui/jobs`, { waitUntil: "domcontentloaded" });
        await shows(page, ["helloworld", "demo-webapp", "countdash"]);
        await screenshot(page, "routed-nomad");
        await page.close();
    });

    it("shows the web application by name, and the dashboard that counts", async () => {
        const { port } = new URL(lab.url("http"));
        const page = await browser.visit(`http://demo-webapp.service.localhost:${port}`);
        assert.match(await page.locator("body").innerText(), /Hello from demo-webapp/);
        await page.close();
        const dashboard = await browser.visit(lab.url("dashboard"));
        await eventually("the dashboard reaches its API", async () =>
            assert.equal((await dashboard.locator("#status").innerText()).trim(), "reachable"),
        );
        await dashboard.close();
    });
});
