import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

import { chromium, type BrowserContext, type Page } from "playwright-core";

import { ensureChromium } from "./chromium";
import { root } from "./command";
import { eventually } from "./poll";

/** Screenshots of what the tests saw, to look at. */
export const screenshots = path.join(root, ".gatehouse", "screenshots");

// Playwright listens for this process's end, as other parts of a whole test run do: more than Node's ten are no leak.
process.setMaxListeners(50);

/** A headless browser with a profile of its own. */
export class Browser {
    private constructor(
        private readonly context: BrowserContext,
        private readonly profile: string,
    ) {}

    /**
     * `credentials` answer a page's request for a password. `ignoreHTTPSErrors`: certificates of unknown authorities
     * will do, too.
     */
    static async open(
        credentials?: { username: string; password: string },
        { ignoreHTTPSErrors = false } = {},
    ): Promise<Browser> {
        const executablePath = await ensureChromium();
        const profile = mkdtempSync(path.join(tmpdir(), "gatehouse-browser-"));
        const context = await chromium.launchPersistentContext(profile, {
            executablePath,
            timeout: 120_000,
            headless: true,
            viewport: { width: 1280, height: 900 },
            httpCredentials: credentials,
            ignoreHTTPSErrors,
            args: [
                // As root in a container there is no sandbox to be had, and a closed network refuses the rest.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        });
        return new Browser(context, profile);
    }

    /** Opens a page that answers with this status; any of success if left out. */
    async visit(url: string, { status }: { status?: number } = {}): Promise<Page> {
        const page = await this.context.newPage();
        const answer = await page.goto(url, { waitUntil: "domcontentloaded", timeout: 30_000 });
        if (answer === null || (status === undefined ? !answer.ok() : answer.status() !== status)) {
            throw new Error(`${url} answered ${answer === null ? "nothing" : answer.status()}`);
        }
        return page;
    }

    async close(): Promise<void> {
        await this.context.close();
        rmSync(this.profile, { recursive: true, force: true });
    }
}

/**
 * Waits until a page shows all of these texts. A question of the page that fails on a busy machine is not asked again; a
 * person would load the page once more.
 */
export async function shows(page: Page, texts: readonly string[]): Promise<void> {
    await eventually(
        `${page.url()} shows ${texts.join(", ")}`,
        async () => {
            try {
                for (const text of texts) {
                    await page.getByText(text, { exact: true }).first().waitFor({ timeout: 20_000 });
                }
            } catch (error) {
                await page.reload({ waitUntil: "domcontentloaded", timeout: 30_000 });
                throw error;
            }
        },
        { within: 90 },
    );
}

/** Keeps a picture of the page below `.gatehouse/screenshots`. */
export async function screenshot(page: Page, name: string): Promise<void> {
    mkdirSync(screenshots, { recursive: true });
    await page.screenshot({ path: path.join(screenshots, `${name}.png`) });
}
