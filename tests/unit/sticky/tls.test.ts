import * as assert from "node:assert/strict";
import * as http2 from "node:http2";
import * as tls from "node:tls";

import { type Balancer, BalancerScene } from "../../support/balancer";
import { request } from "../../support/http";
import { withLoad } from "../../support/load";
import { eventually } from "../../support/poll";
import { servedCertificate, tlsRequest } from "../../support/tls";
import { makeCertificate, type TestCertificate } from "./certificates";

const domain = "www.example.test";

/** HTTPS with a certificate of the user's own. */
describe("the balancer's HTTPS", function () {
    this.timeout("3m");
    let scene: BalancerScene;
    let balancer: Balancer;
    let certificate: TestCertificate;
    let port: number;

    const settings = (own: TestCertificate, more: Record<string, string> = {}): Record<string, string> => ({
        BACKEND1_URL: "back1:8080",
        BACKEND2_URL: "back2:8080",
        ENABLE_HTTPS: "true",
        DOMAIN_NAME: domain,
        HTTPS_PUBLIC_PORT: "8443",
        CERTIFICATE: own.pem,
        ...more,
    });

    before(async () => {
        scene = await BalancerScene.open("tls");
        certificate = await makeCertificate({ domain, rsa: true });
        await Promise.all(["back1", "back2"].map((name) => scene.backend(name)));
        balancer = await scene.balancer({}, { command: ["serve", "--managed"] });
        const { code, output } = await balancer.apply(settings(certificate));
        assert.equal(code, 0, output);
        port = await balancer.port(443);
        await eventually("both are up", async () => assert.equal((await balancer.health()).backends.up, 2));
    });
    after(() => scene?.close());

    /** The protocol and cipher that a handshake agrees on; rejects when there is none. */
    const handshake = (
        options: tls.ConnectionOptions,
    ): Promise<{ protocol: string | null; cipher: string }> =>
        new Promise((resolve, reject) => {
            const socket = tls.connect(
                { host: "127.0.0.1", port, servername: domain, ca: certificate.ca, ...options },
                () => {
                    resolve({ protocol: socket.getProtocol(), cipher: socket.getCipher().name });
                    socket.destroy();
                },
            );
            socket.on("error", reject);
        });

    it("shows the certificate that it was given, and keeps sessions by a secure cookie", async () => {
        const answer = await tlsRequest({ port, servername: domain, ca: certificate.ca });
        assert.equal(answer.status, 200);
        assert.match(answer.headers["set-cookie"]?.[0] ?? "", /^SERVERID=back[12];.*HttpOnly.*Secure/);
        const health = (await balancer.health()).certificate;
        assert.equal(health?.source, "provided");
        assert.equal(health?.nextAttempt, undefined, "no CA is asked");
    });

    it("tells browsers to stay with HTTPS, also on pages of its own, and only over HTTPS", async () => {
        const header = "strict-transport-security";
        const secure = await tlsRequest({ port, servername: domain, ca: certificate.ca });
        assert.equal(secure.headers[header], "max-age=63072000");
        assert.equal((await request(`${await balancer.url()}/`)).headers[header], undefined);
    });

    it("leads from HTTP to HTTPS, with host, path and query", async () => {
        const address = `${await balancer.url()}/a/b?c=d&e=%20f`;
        for (const [method, status] of [
            ["GET", 301],
            ["HEAD", 301],
            ["POST", 308],
            ["PUT", 308],
        ] as const) {
            const answer = await request(address, { method, headers: { host: `${domain}:8080` } });
            assert.equal(answer.status, status, method);
            assert.equal(answer.headers.location, `https://${domain}:8443/a/b?c=d&e=%20f`, method);
        }
        // No certificate is for an address.
        const byAddress = await request(address);
        assert.equal(byAddress.headers.location, `https://${domain}:8443/a/b?c=d&e=%20f`);
        const challenge = await request(`${await balancer.url()}/.well-known/acme-challenge/x`);
        assert.equal(challenge.status, 404, "challenges are the backends' own matter here");
    });

    it("speaks TLS 1.2 and 1.3 with the ciphers of Mozilla's intermediate profile, and nothing older", async () => {
        assert.equal((await handshake({ minVersion: "TLSv1.3" })).protocol, "TLSv1.3");
        assert.deepEqual(await handshake({ maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" }), {
            protocol: "TLSv1.2",
            cipher: "ECDHE-RSA-AES128-GCM-SHA256",
        });
        const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
        await assert.rejects(handshake(old), /protocol version|unsupported/i);
        for (const ciphers of ["AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES256-GCM-SHA384"]) {
            await assert.rejects(
                handshake({ maxVersion: "TLSv1.2", ciphers }),
                /handshake failure/i,
                ciphers,
            );
        }
    });

    it("speaks HTTP/2", async () => {
        const client = http2.connect(`https://127.0.0.1:${port}`, { servername: domain, ca: certificate.ca });
        try {
            const status = await new Promise((resolve, reject) => {
                client.on("error", reject);
                const stream = client.request({ ":path": "/", ":authority": domain });
                stream.on("response", (headers) => resolve(headers[":status"]));
                stream.on("error", reject);
                stream.resume();
            });
            assert.equal(status, 200);
            assert.equal(client.alpnProtocol, "h2");
        } finally {
            client.close();
        }
    });

    it("takes another certificate into use without a reload and without a failed request", async () => {
        const next = await makeCertificate({ domain });
        const worker = await balancer.worker();
        const load = {
            url: `https://127.0.0.1:${port}/`,
            tls: { servername: domain },
            rate: 50,
            keepAlive: false,
        };
        const { report } = await withLoad(load, async () => {
            const { code, output } = await balancer.apply(settings(next));
            assert.equal(code, 0, output);
        });
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        assert.equal(await balancer.worker(), worker, "there was no reload");
        const shown = await servedCertificate(port, domain);
        assert.equal(shown.serialNumber, (await balancer.health()).certificate?.serial);
        assert.equal((await tlsRequest({ port, servername: domain, ca: next.ca })).status, 200);
    });

    it("keeps what it has when the next certificate is none", async () => {
        const before = await servedCertificate(port, domain);
        const expired = await makeCertificate({ domain, days: -1 });
        for (const own of [expired, { ...expired, pem: certificate.certificate + expired.key }]) {
            const { code, output } = await balancer.apply(settings(own));
            assert.equal(code, 1);
            assert.match(output, /CERTIFICATE: the certificate/);
        }
        assert.equal((await servedCertificate(port, domain)).serialNumber, before.serialNumber);
    });

    it("turns HTTPS off and on again without a failed request over HTTP", async () => {
        const plain = { BACKEND1_URL: "back1:8080", BACKEND2_URL: "back2:8080" };
        const load = { url: `${await balancer.url()}/`, rate: 50 };
        const { report } = await withLoad(load, async () => {
            for (const values of [plain, settings(certificate), plain]) {
                const { code, output } = await balancer.apply(values);
                assert.equal(code, 0, output);
            }
        });
        // A redirect is an answer, too.
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        assert.equal((await balancer.health()).certificate, null);
        await assert.rejects(servedCertificate(port, domain));
    });
});
