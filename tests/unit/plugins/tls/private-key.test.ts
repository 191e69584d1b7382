import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tlsProvider } from "../../../../plugins/tls/provider";
import { plain, ProviderHarness, Secret } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const type = "tls:index/privateKey:PrivateKey";

describe("the tls plugin's private keys", () => {
    let provider: ProviderHarness;
    let folder: string;

    before(async () => {
        provider = await ProviderHarness.start(tlsProvider);
        folder = mkdtempSync(join(tmpdir(), "gatehouse-tls-"));
    });

    after(() => {
        provider?.close();
        rmSync(folder, { recursive: true, force: true });
    });

    async function create(args: Values): Promise<Values> {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return (await provider.create(type, inputs)).outputs;
    }

    function run(command: string, args: string[], input?: string): string {
        const result = spawnSync(command, args, { input, encoding: "utf8" });
        assert.equal(result.status, 0, `${command} ${args.join(" ")}: ${result.stderr}`);
        return result.stdout;
    }

    const kinds: [Values, string, RegExp][] = [
        [{ algorithm: "RSA", rsaBits: 2048 }, "ssh-rsa", /BEGIN RSA PRIVATE KEY/],
        [{ algorithm: "ECDSA", ecdsaCurve: "P256" }, "ecdsa-sha2-nistp256", /BEGIN EC PRIVATE KEY/],
        [{ algorithm: "ECDSA", ecdsaCurve: "P384" }, "ecdsa-sha2-nistp384", /BEGIN EC PRIVATE KEY/],
        [{ algorithm: "ECDSA", ecdsaCurve: "P521" }, "ecdsa-sha2-nistp521", /BEGIN EC PRIVATE KEY/],
        [{ algorithm: "ED25519" }, "ssh-ed25519", /BEGIN PRIVATE KEY/],
    ];

    for (const [args, ssh, preamble] of kinds) {
        it(`makes ${ssh} keys that ssh-keygen and openssl read`, async () => {
            const outputs = await create(args);
            for (const name of ["privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"]) {
                assert.ok(outputs[name] instanceof Secret, `${name} is secret`);
            }
            const key = plain(outputs) as Record<string, string>;
            assert.match(key.privateKeyPem!, preamble);
            assert.match(key.privateKeyPemPkcs8!, /BEGIN PRIVATE KEY/);
            assert.match(key.privateKeyOpenssh!, /BEGIN OPENSSH PRIVATE KEY/);
            assert.match(key.publicKeyOpenssh!, new RegExp(`^${ssh} [A-Za-z0-9+/=]+\n$`));

            const file = join(folder, `${ssh}-key`);
            writeFileSync(file, key.privateKeyOpenssh!, { mode: 0o600 });
            assert.equal(run("ssh-keygen", ["-y", "-f", file]).trim(), key.publicKeyOpenssh!.trim());
            writeFileSync(`${file}.pub`, key.publicKeyOpenssh!);
            assert.ok(
                run("ssh-keygen", ["-l", "-f", `${file}.pub`]).includes(key.publicKeyFingerprintSha256!),
            );
            assert.ok(
                run("ssh-keygen", ["-l", "-E", "md5", "-f", `${file}.pub`]).includes(
                    `MD5:${key.publicKeyFingerprintMd5}`,
                ),
            );
            for (const pem of [key.privateKeyPem!, key.privateKeyPemPkcs8!]) {
                assert.equal(run("openssl", ["pkey", "-pubout"], pem), key.publicKeyPem);
            }
        });
    }

    it("has no OpenSSH form of P-224, which is the default curve", async () => {
        const key = plain(await create({ algorithm: "ECDSA" })) as Record<string, string>;
        assert.equal(key.ecdsaCurve, "P224");
        assert.equal(key.privateKeyOpenssh, "");
        assert.equal(key.publicKeyFingerprintSha256, "");
        assert.equal(run("openssl", ["pkey", "-pubout"], key.privateKeyPem), key.publicKeyPem);
    });

    it("replaces on every change, keeps the key on refresh, and refuses what it does not know", async () => {
        const { inputs } = await provider.check(type, { algorithm: "ED25519" });
        const { id, outputs } = await provider.create(type, inputs);
        const other = (await provider.check(type, { algorithm: "RSA" })).inputs;
        assert.deepEqual((await provider.diff(type, id, outputs, inputs, other)).replaces, ["algorithm"]);
        assert.deepEqual((await provider.read(type, id, outputs, inputs))?.outputs, outputs);
        await assert.rejects(provider.read(type, "anything"), /cannot be imported/);
        const { failures } = await provider.check(type, { algorithm: "DSA", rsaBits: 1, bits: 2 });
        assert.deepEqual(failures.map(({ property }) => property).sort(), ["algorithm", "bits", "rsaBits"]);
    });
});
