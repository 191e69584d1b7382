import * as assert from "node:assert/strict";

import { type Balancer, BalancerScene } from "../../support/balancer";
import { inside } from "../../support/docker";
import { withLoad } from "../../support/load";
import type { Pebble } from "../../support/pebble";
import { eventually } from "../../support/poll";
import { servedCertificate, tlsRequest } from "../../support/tls";
import { makeCertificate } from "./certificates";

const domain = "www.example.test";
const second = "second.example.test";
const blocked = "blocked.example.test";
const unknown = "unknown.example.test";

/** Certificates by ACME: the real image, a real CA that validates over HTTP, and web servers. */
describe("the balancer's certificates", function () {
    this.timeout("5m");
    let scene: BalancerScene;
    let pebble: Pebble;

    before(async () => {
        scene = await BalancerScene.open("acme");
        await scene.backend("back1");
    });
    after(() => scene?.close());

    const settings = (more: Record<string, string> = {}): Record<string, string> => ({
        BACKEND1_URL: "back1:8080",
        ENABLE_HTTPS: "true",
        DOMAIN_NAME: domain,
        EMAIL_ADDRESS: "you@example.test",
        ACME_DIRECTORY: "https://pebble:14000/dir",
        ACME_CA: pebble.ca,
        ACME_RETRY_SECONDS: "2",
        ACME_RETRY_MAX_SECONDS: "4",
        ...more,
    });

    /** Waits for a certificate that the CA issued for this domain; what else is asked of it may fail for a while. */
    const issued = (balancer: Balancer, name = domain) =>
        eventually(
            `a certificate for ${name}`,
            async () => {
                const { certificate } = await balancer.health();
                assert.ok(certificate !== null);
                assert.equal(certificate.source, "acme", JSON.stringify(certificate));
                assert.equal(certificate.names, `DNS:${name}`);
                return certificate;
            },
            { within: 60 },
        );

    describe("from a CA whose certificates last a minute and a half", () => {
        let balancer: Balancer;
        before(async () => {
            // A third of it has to be enough for an attempt on a busy machine.
            pebble = await scene.pebble({ validitySeconds: 90, blocked: [blocked] });
            balancer = await scene.balancer(settings(), { aliases: [domain, second, blocked] });
        });
        after(async () => {
            await balancer?.remove();
            await pebble?.remove();
        });

        it("are obtained at the start, and trusted by who trusts the CA", async () => {
            const port = await balancer.port(443);
            const certificate = await eventually(
                "what was issued is served",
                async () => {
                    const found = await issued(balancer);
                    assert.equal((await servedCertificate(port, domain)).serialNumber, found.serial);
                    return found;
                },
                { within: 90 },
            );
            const answer = await tlsRequest({ port, servername: domain, ca: await pebble.root() });
            assert.equal(answer.status, 200);
            assert.match(answer.body, /^Hello from Backend: back1/);
            assert.equal(certificate.lastError, undefined);
            assert.ok(Date.parse(certificate.nextAttempt!) < Date.parse(certificate.notAfter));
        });

        it("are renewed in time, without a reload and without a failed request", async () => {
            const before = await issued(balancer);
            const worker = await balancer.worker();
            const port = await balancer.port(443);
            const load = {
                url: `https://127.0.0.1:${port}/`,
                tls: { servername: domain, ca: await pebble.root() },
                rate: 30,
                keepAlive: false,
            };
            const { report } = await withLoad(load, async () => {
                await eventually(
                    "another certificate is served",
                    async () => {
                        const { serialNumber } = await servedCertificate(port, domain);
                        assert.notEqual(serialNumber, before.serial);
                    },
                    { within: 120, every: 500 },
                );
            });
            assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
            assert.equal(report.resent, 0);
            assert.equal(await balancer.worker(), worker, "there was no reload");
            assert.ok(new Date() < new Date(before.notAfter), "it was renewed before the old one ended");
        });

        it("stay, and the error is told, while the CA is away; then they are renewed", async () => {
            const before = await issued(balancer);
            await pebble.stop();
            const failed = await eventually(
                "the failure is told",
                async () => {
                    const { certificate, alive } = await balancer.health();
                    assert.equal(alive, true);
                    assert.match(certificate?.lastError?.message ?? "none", /^no new certificate/);
                    return certificate!;
                },
                { within: 120 },
            );
            assert.equal(failed.source, "acme");
            assert.equal(
                (await servedCertificate(await balancer.port(443), domain)).serialNumber,
                failed.serial,
            );
            assert.match(
                await balancer.log(),
                /no new certificate for www\.example\.test: .*; the acme certificate stays/,
            );
            // It has forgotten the account, as a CA that was set up anew.
            await pebble.restart();
            await eventually(
                "a certificate without an error",
                async () => {
                    const { certificate } = await balancer.health();
                    assert.notEqual(certificate?.serial, before.serial);
                    assert.equal(certificate?.lastError, undefined, JSON.stringify(certificate));
                },
                { within: 60 },
            );
        });

        it("are lent to a restart, so that the CA is not asked again", async () => {
            const { serial } = await issued(balancer);
            await balancer.restart();
            const port = await balancer.port(443);
            assert.equal((await servedCertificate(port, domain)).serialNumber, serial);
        });
    });

    describe("from a CA whose certificates last for years", () => {
        before(async () => {
            pebble = await scene.pebble({ name: `gatehouse-${scene.stack}-ca`, blocked: [blocked] });
        });
        after(async () => {
            await pebble.remove();
        });

        it("come once the CA is up; until then a self-signed one is served", async () => {
            await pebble.stop();
            const balancer = await scene.balancer(settings(), { name: "early", aliases: [domain] });
            const port = await balancer.port(443);
            const shown = await servedCertificate(port, domain);
            assert.match(shown.issuer, /self-signed/);
            assert.equal((await tlsRequest({ port, servername: domain })).status, 200);
            await eventually(
                "two attempts have failed",
                async () => assert.ok((await balancer.log()).match(/no new certificate/g)!.length >= 2),
                { within: 60 },
            );
            await pebble.restart();
            await issued(balancer);
            assert.equal(
                (await tlsRequest({ port, servername: domain, ca: await pebble.root() })).status,
                200,
            );
            await balancer.remove();
        });

        it("follow the settings: another domain, a CA that refuses, one that cannot reach the domain", async () => {
            const balancer = await scene.balancer(
                {},
                {
                    name: "managed",
                    command: ["serve", "--managed"],
                    aliases: [domain, second, blocked],
                },
            );
            const apply = async (values: Record<string, string>): Promise<void> => {
                const { code, output } = await balancer.apply(values);
                assert.equal(code, 0, output);
            };
            await apply(settings());
            const first = await issued(balancer);

            await apply(settings({ DOMAIN_NAME: second }));
            await issued(balancer, second);

            // What was issued for the first domain is still good: nobody is asked.
            await apply(settings());
            assert.equal((await issued(balancer)).serial, first.serial);

            const refusals: [string, RegExp][] = [
                [blocked, /: rejectedIdentifier :: /],
                [unknown, /no such host|lookup|NXDOMAIN|resolv/i],
            ];
            for (const [name, reason] of refusals) {
                await apply(settings({ DOMAIN_NAME: name }));
                const certificate = await eventually(
                    `the CA refuses ${name}`,
                    async () => {
                        const { certificate } = await balancer.health();
                        assert.ok(certificate?.lastError, JSON.stringify(certificate));
                        return certificate;
                    },
                    { within: 60 },
                );
                assert.equal(certificate.source, "self-signed");
                assert.match(certificate.lastError!.message, reason);
                assert.ok(Date.parse(certificate.nextAttempt!) > Date.parse(certificate.lastError!.time));
                assert.equal(
                    (await tlsRequest({ port: await balancer.port(443), servername: name })).status,
                    200,
                );
            }

            await apply(settings());
            assert.equal((await issued(balancer)).serial, first.serial);
            await balancer.remove();
        });

        it("are kept in files that only root reads, and no secret is in the log", async () => {
            const balancer = await scene.balancer(settings({ STATS_PASSWORD: "hush-hush" }), {
                name: "files",
                aliases: [domain],
            });
            await issued(balancer);
            const open = await inside(
                balancer.container,
                ...["find", "/var/lib/balancer", "-name", "*.pem", "-perm", "/077", "!", "-name", "ca.pem"],
                ...["!", "-path", "*/acme/*"],
            );
            assert.equal(open.trim(), "");
            const log = await balancer.log();
            assert.doesNotMatch(log, /hush-hush|PRIVATE KEY/);
            await balancer.remove();
        });
    });

    it("are bound to an account that exists already, where the CA wants one", async () => {
        const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
        pebble = await scene.pebble({
            name: `gatehouse-${scene.stack}-binding-ca`,
            externalAccounts: { "kid-1": hmacKey },
        });
        const account = { ACME_EAB_KID: "kid-1", ACME_EAB_HMAC_KEY: hmacKey };
        const balancer = await scene.balancer(settings(account), { name: "bound", aliases: [domain] });
        await issued(balancer);
        assert.ok(!(await balancer.log()).includes(hmacKey));
        await balancer.remove();
        await pebble.remove();
    });

    it("are asked of Let's Encrypt's staging directory where that is wanted", async () => {
        const balancer = await scene.balancer(
            { BACKEND1_URL: "back1:8080", ENABLE_HTTPS: "true", DOMAIN_NAME: domain, ACME_STAGING: "true" },
            { name: "staging", aliases: [domain] },
        );
        const { certificate } = await balancer.health();
        assert.equal(certificate?.directory, "https://acme-staging-v02.api.letsencrypt.org/directory");
        await balancer.remove();
    });

    it("are refused before anything listens when an own one cannot be used", async () => {
        const good = await makeCertificate({ domain });
        const other = await makeCertificate({ domain });
        const expired = await makeCertificate({ domain, days: -1 });
        const own = { BACKEND1_URL: "back1:8080", ENABLE_HTTPS: "true", DOMAIN_NAME: domain };
        for (const [pem, reason] of [
            [good.certificate + other.key, /CERTIFICATE: the certificate does not belong to the private key/],
            [expired.pem, /CERTIFICATE: the certificate has expired/],
        ] as const) {
            const { code, output } = await scene.refused({ ...own, CERTIFICATE: pem });
            assert.equal(code, 1);
            assert.match(output, reason);
            assert.doesNotMatch(output, /BEGIN/);
        }
    });
});
