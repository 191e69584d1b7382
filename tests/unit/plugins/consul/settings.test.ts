import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { connection } from "../../../../plugins/consul/settings";
import { consulProvider } from "../../../../plugins/consul/provider";
import { ProviderHarness } from "../../../support/provider-harness";
import { makeCertificates, startSecureConsul, type SecureAgent } from "../../../support/secure-agents";

import type { Values } from "../../../../plugins/lib";

const type = "consul:index/aclPolicy:AclPolicy";

describe("the consul plugin's settings, on an agent with client certificates and ACLs", () => {
    let agent: SecureAgent;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureConsul();
    });
    after(async () => {
        await agent?.stop();
    });

    const pems = (): Values => ({
        caPem: agent.tls.ca,
        certPem: agent.tls.certificate,
        keyPem: agent.tls.key,
    });

    /** Asks for a policy that there is, with these settings. */
    async function ask(config: Values): Promise<unknown> {
        const provider = await ProviderHarness.start(consulProvider, {
            token: agent.token,
            datacenter: "dc1",
            ...config,
        });
        try {
            return (await provider.read(type, "00000000-0000-0000-0000-000000000001"))?.outputs.name;
        } finally {
            provider.close();
        }
    }

    it("takes certificates as texts, as files and as a folder", async () => {
        const host = agent.address.replace("https://", "");
        const { folder, ca, caFile, certificateFile: certFile, keyFile } = agent.tls;
        const caPath = join(folder, "authorities");
        mkdirSync(caPath);
        writeFileSync(join(caPath, "one.pem"), ca);
        for (const config of [
            { address: agent.address, ...pems() },
            { address: host, scheme: "https", caFile, certFile, keyFile },
            { address: host, scheme: "https", caPath, certFile, keyFile },
            { address: host, scheme: "https", insecureHttps: "true", certFile, keyFile },
            { address: agent.address, ...pems(), headers: '[{"name":"X-Consul-Token","value":"x"}]' },
        ]) {
            assert.equal(await ask(config), "global-management");
        }
    });

    it("says which setting is wrong when the connection fails", async () => {
        const { caPem, certPem, keyPem } = pems();
        const address = agent.address;
        const stranger = await makeCertificates();
        const cases: [Values, RegExp][] = [
            [{ address, certPem, keyPem }, /certificate.*\. Set the provider's "caPem" or "caFile"/],
            [{ address, certPem, keyPem, caPem: stranger.ca }, /Set the provider's "caPem" or "caFile"/],
            [{ address, caPem }, /client certificate.* set the provider's "certPem"/],
            [
                { address, caPem, certPem: stranger.certificate, keyPem: stranger.key },
                /client certificate.* set the provider's "certPem"/,
            ],
            [{ address: address.replace("https", "http") }, /HTTPS server\. Use https in the provider's/],
            [{ address: "https://127.0.0.1:1", caPem }, /Check that the cluster runs/],
        ];
        try {
            for (const [config, message] of cases) {
                await assert.rejects(ask(config), message);
            }
        } finally {
            rmSync(stranger.folder, { recursive: true });
        }
    });

    it("refuses settings that do not go together before it asks anybody", async () => {
        const { caPem, certPem, keyPem } = pems();
        const { caFile, folder } = agent.tls;
        const cases: [Values, RegExp][] = [
            [{ caPem, caFile }, /"caPem" and "caFile" exclude each other/],
            [{ certPem }, /"certPem" or "certFile" needs "keyPem" or "keyFile"/],
            [{ keyPem }, /"keyPem" or "keyFile" needs "certPem" or "certFile"/],
            [{ caFile: join(folder, "none") }, /"caFile" cannot be read: .*none/],
            [{ caPath: join(folder, "none") }, /"caPath" cannot be read: .*none/],
            [{ insecureHttps: true }, /"insecureHttps" needs "scheme": "https"/],
        ];
        for (const [config, message] of cases) {
            await assert.rejects(ProviderHarness.start(consulProvider, config), message);
        }
        const provider = await ProviderHarness.start(consulProvider);
        const { failures } = await provider.checkConfig({ authJwt: "{}", scheme: "ftp" });
        provider.close();
        assert.deepEqual(failures.map(({ property }) => property).sort(), ["authJwt", "scheme"]);
    });

    it("does not take for gone what its token may not read", async () => {
        const [inputs, node] = [{ name: "edge", address: "10.1.0.1" }, "consul:index/node:Node"];
        const config = { address: agent.address, datacenter: "dc1", ...pems() };
        const manager = await ProviderHarness.start(consulProvider, { ...config, token: agent.token });
        const body = { Description: "may do nothing" };
        const { SecretID: token } = await agent.ask("/v1/acl/token", { method: "PUT", body });
        const nobody = await ProviderHarness.start(consulProvider, { ...config, token });
        try {
            const { id, outputs } = await manager.create(node, inputs);
            await assert.rejects(nobody.read(node, id, outputs, inputs), /may not read the node "edge"/);
            await manager.delete(node, id, outputs);
            assert.equal(await manager.read(node, id, outputs, inputs), undefined);
        } finally {
            manager.close();
            nobody.close();
        }
    });

    it("takes from the environment what is left out", () => {
        const { caFile, certificateFile, keyFile, ca, certificate, key } = agent.tls;
        const found = connection(
            {},
            {
                CONSUL_HTTP_ADDR: "consul.example:8501",
                CONSUL_HTTP_SSL: "true",
                CONSUL_HTTP_TOKEN: "token",
                CONSUL_HTTP_AUTH: "user:password",
                CONSUL_CACERT: caFile,
                CONSUL_CLIENT_CERT: certificateFile,
                CONSUL_CLIENT_KEY: keyFile,
                CONSUL_TLS_SERVER_NAME: "server.dc1.consul",
                CONSUL_HTTP_SSL_VERIFY: "false",
            },
        );
        assert.equal(found.address, "https://consul.example:8501");
        assert.deepEqual(found.headers, {
            Authorization: `Basic ${Buffer.from("user:password").toString("base64")}`,
            "X-Consul-Token": "token",
        });
        assert.deepEqual(found.tls, {
            ca,
            cert: certificate,
            key,
            servername: "server.dc1.consul",
            rejectUnauthorized: false,
        });
        const given = connection(
            { address: "http://a:1", token: "mine", caPem: "CA", scheme: "https" },
            { CONSUL_ADDRESS: "b:2", CONSUL_TOKEN: "theirs", CONSUL_CA_FILE: caFile },
        );
        assert.equal(given.address, "https://a:1");
        assert.equal(given.headers?.["X-Consul-Token"], "mine");
        assert.equal(given.tls?.ca, "CA");
        assert.equal(connection({}, { CONSUL_HTTP_ADDR: "" }).address, "http://127.0.0.1:8500");
    });
});
