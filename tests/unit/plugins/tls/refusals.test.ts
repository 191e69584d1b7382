import assert from "node:assert/strict";

import { Pki, types, type Identity } from "./pki";

import type { Values } from "../../../../plugins/lib";

describe("wrong certificates of the tls plugin", () => {
    let pki: Pki;
    let ca: Identity;
    before(async () => {
        pki = await Pki.start();
        ca = await pki.authority(await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
    });
    after(() => pki?.close());

    it("are refused with the property that is wrong, before anything is made", async () => {
        const key = await pki.key();
        const request = await pki.make(types.request, { privateKeyPem: key, subject: { commonName: "x" } });
        const selfSigned = { privateKeyPem: key, allowedUses: [], validityPeriodHours: 1 };
        const signed = {
            caCertPem: ca.cert,
            caPrivateKeyPem: ca.key,
            certRequestPem: request.outputs.certRequestPem,
            allowedUses: [],
            validityPeriodHours: 1,
        };
        const encrypted = pki.openssl(["pkey", "-aes256", "-passout", "pass:x"], key);
        const koblitz = pki.openssl(["ecparam", "-name", "secp256k1", "-genkey", "-noout"]);
        const withParameters = pki.openssl(["ecparam", "-name", "prime256v1", "-genkey"]);
        const openssh = (await pki.make(types.key, { algorithm: "ED25519" })).outputs.privateKeyOpenssh;
        const nameless = await pki.make(types.request, { privateKeyPem: key, dnsNames: ["x.lab"] });
        const table: [string, Values, string, RegExp][] = [
            [
                types.selfSigned,
                { ...selfSigned, privateKeyPem: "hello" },
                "privateKeyPem",
                /private key in PEM/,
            ],
            [types.selfSigned, { ...selfSigned, privateKeyPem: ca.cert }, "privateKeyPem", /not CERTIFICATE/],
            [types.selfSigned, { ...selfSigned, privateKeyPem: encrypted }, "privateKeyPem", /ENCRYPTED/],
            [types.selfSigned, { ...selfSigned, privateKeyPem: openssh }, "privateKeyPem", /OPENSSH/],
            [types.selfSigned, { ...selfSigned, privateKeyPem: koblitz }, "privateKeyPem", /P224, P256/],
            [
                types.selfSigned,
                { ...selfSigned, privateKeyPem: key.replace("M", "!") },
                "privateKeyPem",
                /read/,
            ],
            [types.selfSigned, { ...selfSigned, privateKeyPem: undefined }, "privateKeyPem", /needs a value/],
            [
                types.selfSigned,
                { ...selfSigned, allowedUses: ["serverAuth"] },
                "allowedUses[0]",
                /server_auth/,
            ],
            [
                types.selfSigned,
                { ...selfSigned, validityPeriodHours: -1 },
                "validityPeriodHours",
                /between 0/,
            ],
            [types.selfSigned, { ...selfSigned, validityPeriodHours: 1.5 }, "validityPeriodHours", /integer/],
            [
                types.selfSigned,
                { ...selfSigned, validityPeriodHours: 1e9 },
                "validityPeriodHours",
                /between 0/,
            ],
            [types.selfSigned, { ...selfSigned, earlyRenewalHours: -1 }, "earlyRenewalHours", /between 0/],
            [types.selfSigned, { ...selfSigned, maxPathLength: -2 }, "maxPathLength", /at least 0/],
            [types.selfSigned, { ...selfSigned, isCaCertificate: true }, "subject", /at least one name/],
            [
                types.selfSigned,
                { ...selfSigned, isCaCertificate: true, subject: { commonName: "" } },
                "subject",
                /at least one name/,
            ],
            [
                types.selfSigned,
                { ...selfSigned, setAuthorityKeyId: true },
                "setAuthorityKeyId",
                /setSubjectKeyId/,
            ],
            [types.selfSigned, { ...selfSigned, privateKeyPemWo: key }, "privateKeyPemWo", /official plugin/],
            [types.request, { privateKeyPem: key, ipAddresses: ["10.0.0.0/8"] }, "ipAddresses[0]", /address/],
            [types.request, { privateKeyPem: key, ipAddresses: ["fe80::1%eth0"] }, "ipAddresses[0]", /zone/],
            [types.request, { privateKeyPem: key, dnsNames: ["gent.lab", "zoë.lab"] }, "dnsNames[1]", /xn--/],
            [types.request, { privateKeyPem: key, uris: ["no scheme"] }, "uris[0]", /URI/],
            [types.request, { privateKeyPem: key, uris: ["http://a/%zz"] }, "uris[0]", /URI/],
            [
                types.request,
                { privateKeyPem: key, subject: { surname: "x" } },
                "subject.surname",
                /no property/,
            ],
            [types.locallySigned, { ...signed, caCertPem: ca.key }, "caCertPem", /CERTIFICATE/],
            [
                types.locallySigned,
                { ...signed, caCertPem: ca.cert.replace(/^.{64}\n/m, "") },
                "caCertPem",
                /read/,
            ],
            [types.locallySigned, { ...signed, caPrivateKeyPem: key }, "caPrivateKeyPem", /"caCertPem"/],
            [
                types.locallySigned,
                { ...signed, certRequestPem: ca.cert },
                "certRequestPem",
                /CERTIFICATE REQUEST/,
            ],
            [
                types.locallySigned,
                { ...signed, certRequestPem: nameless.outputs.certRequestPem, isCaCertificate: true },
                "certRequestPem",
                /at least one name/,
            ],
        ];
        for (const [type, args, property, reason] of table) {
            const refusals = await pki.refusals(type, args);
            assert.deepEqual(Object.keys(refusals), [property]);
            assert.match(refusals[property]!, reason);
            assert.ok(refusals[property]!.includes(`"${property}"`), refusals[property]);
        }
        assert.deepEqual(
            await pki.refusals(types.selfSigned, { ...selfSigned, privateKeyPem: withParameters }),
            {},
        );
        for (const type of [types.selfSigned, types.request, types.locallySigned]) {
            await assert.rejects(pki.provider.read(type, "anything"), /cannot be imported/);
        }
    });
});
