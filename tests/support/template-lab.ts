import * as assert from "node:assert/strict";

import { inside } from "./docker";
import { request } from "./http";
import { Lab } from "./lab";
import { eventually } from "./poll";

/** The `template` lab under test. */
export class TemplateLab extends Lab {
    constructor(name: "e2e-template" | "bench-template") {
        super(name);
    }

    /** The servers that HAProxy's configuration names, as the document looks at them. */
    async rendered(): Promise<string[]> {
        const text = await inside(this.stack.object("haproxy"), "cat", "/run/haproxy/haproxy.cfg");
        return [...text.matchAll(/^ +server (\S+) \S+$/gm)].map(([, name = ""]) => name);
    }

    /** Waits until the configuration names exactly these. */
    renders(expected: string[], within = 60): Promise<void> {
        return eventually(
            `rendered are: ${expected.join(" ") || "none"}`,
            async () => assert.deepEqual(await this.rendered(), expected),
            { within },
        );
    }

    /** Who answers a number of requests; `status 503` when nobody does. */
    async used(requests = 12): Promise<string> {
        const seen = new Set<string>();
        for (let n = 0; n < requests; n += 1) {
            const { status, headers } = await request(this.url("webapp"));
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    /**
     * Waits until exactly these answer: `web1 web2`, or `status 503`. Consul's check comes round within five seconds, and a
     * dead container may keep it waiting for five more.
     */
    answers(expected: string, within = 60): Promise<void> {
        return eventually(`${expected} answer`, async () => assert.equal(await this.used(), expected), {
            within,
            every: 50,
        });
    }
}

/** The lab that the lab tests and the browser tests share. */
export const lab = new TemplateLab("e2e-template");
