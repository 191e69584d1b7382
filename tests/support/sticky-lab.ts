import * as assert from "node:assert/strict";

import type { Health } from "../../images/balancer/supervisor";
import { getJson, request } from "./http";
import { Lab } from "./lab";
import { eventually } from "./poll";

/** The `sticky` lab under test. */
export class StickyLab extends Lab {
    constructor(name: "e2e-sticky" | "bench-sticky") {
        super(name);
    }

    health(): Promise<Health> {
        return getJson<Health>(`${this.url("haproxyStats")}/health`);
    }

    /** One request; without a cookie as a new visitor, with one as somebody who comes again. */
    async visit(cookie?: string): Promise<{ status: number; backend: string; cookie: string | undefined }> {
        const headers: Record<string, string> = cookie === undefined ? {} : { cookie };
        const answer = await request(`${this.url("webapp")}/`, { headers });
        const set = [answer.headers["set-cookie"]].flat()[0]?.split(";")[0];
        return {
            status: answer.status,
            backend: String(answer.headers["x-instance"] ?? `status ${answer.status}`),
            cookie: set,
        };
    }

    /** Who answers a number of new visitors. */
    async used(visitors = 12): Promise<string> {
        const seen = new Set<string>();
        for (let n = 0; n < visitors; n += 1) {
            seen.add((await this.visit()).backend);
        }
        return [...seen].sort().join(" ");
    }

    /** Waits until exactly these answer: `back1 back2`, or `status 503`. */
    answers(expected: string, within = 30): Promise<void> {
        return eventually(`${expected} answer`, async () => assert.equal(await this.used(), expected), {
            within,
            every: 50,
        });
    }
}

/** The lab that the lab tests and the browser tests share. */
export const lab = new StickyLab("e2e-sticky");
