import * as assert from "node:assert/strict";

import { eventually } from "../../tests/support/poll";
import type { Proxy } from "../proxies/job";
import { cookie } from "../proxies/job";
import type { Scene } from "../scene";

/**
 * Proxies that do not do the same job must not be compared: each divides requests evenly, gives a session cookie, and
 * keeps to it.
 */
export async function checkJob(scene: Scene, proxy: Proxy, backends: string[]): Promise<void> {
    // curl asks many times over one connection when it is given many addresses.
    const ask = async (times: number, ...options: string[]) => {
        const urls = Array.from({ length: times }, () => ["--output", "/dev/null", proxy.url]).flat();
        const dump = ["--dump-header", "/dev/stdout"];
        return parseHeads(
            await scene.exec(
                "curl",
                "--silent",
                "--insecure",
                "--max-time",
                "5",
                ...dump,
                ...options,
                ...urls,
            ),
        );
    };
    await eventually(`${proxy.name} answers`, async () => {
        const heads = await ask(2 * backends.length);
        const seen = new Set(heads.map(({ instance }) => instance));
        assert.deepEqual([...seen].sort(), [...backends].sort(), "not all backends answer");
    });
    const times = 20;
    const heads = await ask(times * backends.length);
    for (const backend of backends) {
        const share = heads.filter(({ instance }) => instance === backend).length;
        assert.ok(
            Math.abs(share - times) <= 2,
            `${proxy.name} sent ${share} of ${heads.length} to ${backend}`,
        );
    }
    for (const { instance, session } of heads.slice(0, backends.length)) {
        assert.ok(session, `${proxy.name} gives no session cookie`);
        const later = await ask(2 * backends.length, "--cookie", `${cookie}=${session}`);
        assert.ok(
            later.every((head) => head.instance === instance),
            `${proxy.name} does not keep to the session`,
        );
    }
}

/** What the heads of answers say: who answered, and the cookie's value. Pure. */
export function parseHeads(text: string): { instance?: string; session?: string }[] {
    return text
        .split(/(?=^HTTP\/\S+ \d)/m)
        .filter((head) => head.startsWith("HTTP/"))
        .map((head) => ({
            instance: /^x-instance:\s*(\S+)/im.exec(head)?.[1],
            session: new RegExp(`^set-cookie:\\s*${cookie}=([^;\\s]+)`, "im").exec(head)?.[1],
        }));
}
