import * as assert from "node:assert/strict";

import { dnsErrors, FakeDns, type DnsAnswer } from "../../support/fake-dns";
import { eventually } from "../../support/poll";
import { RunningHaproxy } from "./container";
import { buildImages, removeImages } from "./image";
import { defaultItems, renderHaproxy } from "./render";
import { password, Scene } from "./scene";

/**
 * Which of the resolver's `hold` values this version of HAProxy does something with: what settings/discovery.ts refuses
 * is refused for what is seen here.
 */
describe("HAProxy's resolver", function () {
    this.timeout("2m");
    let dns: FakeDns;
    let scene: Scene;
    let haproxy: RunningHaproxy | undefined;

    before(() => buildImages("haproxy"));
    after(() => removeImages("haproxy"));
    beforeEach(async () => {
        dns = await FakeDns.start();
        scene = await Scene.open("a", "b");
        dns.says({ ports: [scene.portOf("a"), scene.portOf("b")] });
    });
    afterEach(async () => {
        await haproxy?.remove();
        haproxy = undefined;
        await scene.close();
        await dns.stop();
    });

    /** HAProxy that balances over both instances; what is not named is kept for a minute. */
    async function start(hold: Record<string, string>, line = ""): Promise<void> {
        const kept = Object.fromEntries(
            ["obsolete", "nx", "timeout", "refused", "other"].map((name) => [
                `hold_${name}`,
                hold[name] ?? "60000ms",
            ]),
        );
        const configuration = await renderHaproxy({
            items: { ...defaultItems, slots: "4", stats_password: password, ...kept },
            ports: scene.ports,
            consulDns: `127.0.0.1:${dns.port}`,
        });
        const told = configuration.replace("resolvers consul\n", `resolvers consul\n    ${line}\n`);
        assert.ok(line === "" || told !== configuration);
        haproxy = await RunningHaproxy.start(told);
        await eventually("HAProxy is alive", async () =>
            assert.equal((await scene.stats("/health")).status, 200),
        );
        await scene.answers("a b");
    }

    /** The answer changes right after a good one, from which the resolver's spans count. Returns when that was. */
    async function changeTo(answer: DnsAnswer): Promise<number> {
        const before = dns.questions;
        await eventually("it asks again", () => assert.ok(dns.questions > before), { every: 5 });
        dns.says(answer);
        return performance.now();
    }

    const answers: [string, DnsAnswer][] = [
        ["nx", { error: dnsErrors.nxdomain }],
        ["refused", { error: dnsErrors.refused }],
        ["other", { error: dnsErrors.servfail }],
        ["timeout", "silence"],
    ];
    for (const [name, answer] of answers) {
        it(`keeps servers for as long as hold ${name} says, and no other`, async () => {
            // The others are a minute: had they a say, the servers would stay for longer than is waited here.
            await start({ [name]: "2000ms" });
            const since = await changeTo(answer);
            await scene.answers("status 503", { within: 20 });
            const kept = performance.now() - since;
            // The span counts from the last good answer, which was there a moment before.
            assert.ok(kept >= 1500, `they were kept for ${Math.round(kept)} ms`);
            dns.says({ ports: [scene.portOf("a"), scene.portOf("b")] });
            await scene.answers("a b");
        });
    }

    it("keeps a server that is no longer named for as long as hold obsolete says", async () => {
        await start({ obsolete: "2000ms" });
        const since = await changeTo({ ports: [scene.portOf("a")] });
        await scene.answers("a", { within: 20 });
        assert.ok(performance.now() - since >= 1500);
    });

    it("asks as often, and forgets as soon, whatever hold valid says", async () => {
        await start({ obsolete: "0ms" }, "hold valid 60s");
        const before = dns.questions;
        await eventually("ten more questions have come", () => assert.ok(dns.questions >= before + 10), {
            within: 20,
        });
        dns.says({ ports: [scene.portOf("b")] });
        await scene.answers("b", { within: 20 });
    });
});
