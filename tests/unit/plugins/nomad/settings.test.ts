import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { connection, regionOf } from "../../../../plugins/nomad/settings";
import { ProviderHarness } from "../../../support/provider-harness";
import { makeCertificates, startSecureNomad, type SecureAgent } from "../../../support/secure-agents";

import type { Values } from "../../../../plugins/lib";

const type = "nomad:index/namespace:Namespace";

describe("the nomad plugin's settings, on an agent with client certificates and ACLs", () => {
    let agent: SecureAgent;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureNomad();
    });
    after(async function () {
        this.timeout(60_000);
        await agent?.stop();
    });

    const pems = (): Values => ({
        caPem: agent.tls.ca,
        certPem: agent.tls.certificate,
        keyPem: agent.tls.key,
    });

    /** Asks for a namespace that there is, with these settings. */
    async function ask(config: Values): Promise<unknown> {
        const { address, token: secretId } = agent;
        const provider = await ProviderHarness.start(nomadProvider, { address, secretId, ...config });
        try {
            return (await provider.read(type, "default"))?.outputs.name;
        } finally {
            provider.close();
        }
    }

    it("takes certificates as texts and as files", async () => {
        const { caFile, certificateFile: certFile, keyFile } = agent.tls;
        for (const config of [
            pems(),
            { caFile, certFile, keyFile },
            { skipVerify: "true", certFile, keyFile },
            {
                ...pems(),
                headers: '[{"name":"X-Trace","value":"x"}]',
                ignoreEnvVars: '{"NOMAD_REGION":true}',
            },
            { ...pems(), region: "global" },
        ]) {
            assert.equal(await ask(config), "default");
        }
    });

    it("says which setting is wrong when the connection fails", async () => {
        const { caPem, certPem, keyPem } = pems();
        const stranger = await makeCertificates();
        const cases: [Values, RegExp][] = [
            [{ certPem, keyPem }, /certificate.*\. Set the provider's "caPem" or "caFile"/],
            [{ certPem, keyPem, caPem: stranger.ca }, /Set the provider's "caPem" or "caFile"/],
            [{ caPem }, /client certificate.* set the provider's "certPem"/],
            [
                { caPem, certPem: stranger.certificate, keyPem: stranger.key },
                /client certificate.* set the provider's "certPem"/,
            ],
            [{ address: agent.address.replace("https", "http") }, /HTTPS server\. Use https/],
            [{ address: "http://127.0.0.1:1" }, /Check that the cluster runs/],
            [{ ...pems(), secretId: "" }, /Permission denied\. Set the provider's "secretId"/],
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
        ];
        for (const [config, message] of cases) {
            await assert.rejects(ProviderHarness.start(nomadProvider, config), message);
        }
    });

    it("takes from the environment what is left out", () => {
        const { caFile, certificateFile, keyFile, ca, certificate, key } = agent.tls;
        const found = connection(
            {},
            {
                NOMAD_ADDR: "https://nomad.example:4646",
                NOMAD_TOKEN: "token",
                NOMAD_HTTP_AUTH: "user",
                NOMAD_CACERT: caFile,
                NOMAD_CLIENT_CERT: certificateFile,
                NOMAD_CLIENT_KEY: keyFile,
                NOMAD_TLS_SERVER_NAME: "server.global.nomad",
                NOMAD_SKIP_VERIFY: "true",
            },
        );
        assert.equal(found.address, "https://nomad.example:4646");
        assert.deepEqual(found.headers, {
            Authorization: `Basic ${Buffer.from("user:").toString("base64")}`,
            "X-Nomad-Token": "token",
        });
        assert.deepEqual(found.tls, {
            ca,
            cert: certificate,
            key,
            servername: "server.global.nomad",
            rejectUnauthorized: false,
        });
        assert.equal(
            connection({ secretId: "mine" }, { NOMAD_TOKEN: "x" }).headers?.["X-Nomad-Token"],
            "mine",
        );
        assert.equal(regionOf({}, { NOMAD_REGION: "eu" }), "eu");
        assert.equal(regionOf({ ignoreEnvVars: { NOMAD_REGION: true } }, { NOMAD_REGION: "eu" }), undefined);
    });
});
