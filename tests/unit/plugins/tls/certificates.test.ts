import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as tls from "node:tls";

import { allowedUses } from "../../../../plugins/tls/uses";
import { Pki, types, type Identity } from "./pki";

import type { AddressInfo } from "node:net";
import type { Values } from "../../../../plugins/lib";

const algorithms: [string, Values, string][] = [
    ["RSA", { algorithm: "RSA", rsaBits: 2048 }, "sha256WithRSAEncryption"],
    ["ECDSA on P-224", { algorithm: "ECDSA" }, "ecdsa-with-SHA256"],
    ["ECDSA on P-256", { algorithm: "ECDSA", ecdsaCurve: "P256" }, "ecdsa-with-SHA256"],
    ["ECDSA on P-384", { algorithm: "ECDSA", ecdsaCurve: "P384" }, "ecdsa-with-SHA384"],
    ["ECDSA on P-521", { algorithm: "ECDSA", ecdsaCurve: "P521" }, "ecdsa-with-SHA512"],
    ["ED25519", { algorithm: "ED25519" }, "ED25519"],
];

describe("the tls plugin's certificates", () => {
    let pki: Pki;
    before(async () => {
        pki = await Pki.start();
    });
    after(() => pki?.close());

    const text = (cert: string) => pki.openssl(["x509", "-noout", "-text"], cert);

    for (const [name, args, signature] of algorithms) {
        it(`are signed with ${name}, by a CA that anybody can check`, async () => {
            const key = await pki.key(args);
            const ca = await pki.authority(key);
            const root = new X509Certificate(ca.cert);
            assert.equal(ca.made.outputs.keyAlgorithm, args.algorithm);
            assert.ok(root.ca && root.verify(root.publicKey));
            assert.ok(text(ca.cert).includes(`Signature Algorithm: ${signature}`));
            pki.verify(ca.cert, ca.cert);

            const request = await pki.make(types.request, { privateKeyPem: key, dnsNames: ["own.lab"] });
            assert.equal(request.outputs.keyAlgorithm, args.algorithm);
            assert.match(request.id, /^[0-9a-f]{40}$/);
            pki.openssl(["req", "-verify", "-noout"], request.outputs.certRequestPem);

            const leaf = await pki.sign(ca, await pki.key(), { dnsNames: ["leaf.lab"] });
            assert.equal(leaf.made.outputs.caKeyAlgorithm, args.algorithm);
            assert.ok(new X509Certificate(leaf.cert).checkIssued(root));
            pki.verify(ca.cert, leaf.cert, "-verify_hostname", "leaf.lab");
            const other = await pki.authority(await pki.key(args));
            const refused = pki.tryOpenssl([
                "verify",
                "-CAfile",
                pki.file("other.pem", other.cert),
                pki.file("leaf.pem", leaf.cert),
            ]);
            assert.notEqual(refused.status, 0, "a CA of the same name with another key is not believed");
        });
    }

    it("have the names that the request asks for, and its subject", async () => {
        const ca = await pki.authority(await pki.key());
        const leaf = await pki.sign(ca, await pki.key(), {
            subject: {
                commonName: "Zoë's server",
                organization: "Gatehouse",
                organizationalUnit: "Labs",
                streetAddresses: ["2 Mill Lane", "1 High St"],
                locality: "Gent",
                province: "OV",
                country: "BE",
                postalCode: "9000",
                serialNumber: "42",
                emailAddress: "lab@example.org",
            },
            dnsNames: ["server.dc1.consul", "*.lab"],
            ipAddresses: ["127.0.0.1", "::1", "::ffff:10.0.0.1", "2001:db8::5"],
            uris: ["spiffe://lab/ns/default"],
        });
        assert.equal(
            pki
                .openssl(
                    ["x509", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8,show_type"],
                    leaf.cert,
                )
                .trim(),
            "subject=emailAddress=IA5STRING:lab@example.org,serialNumber=PRINTABLESTRING:42," +
                "CN=UTF8STRING:Zoë's server,OU=PRINTABLESTRING:Labs,O=PRINTABLESTRING:Gatehouse," +
                "postalCode=PRINTABLESTRING:9000,street=PRINTABLESTRING:2 Mill Lane+street=PRINTABLESTRING:1 High St," +
                "L=PRINTABLESTRING:Gent,ST=PRINTABLESTRING:OV,C=PRINTABLESTRING:BE",
        );
        assert.equal(
            new X509Certificate(leaf.cert).subjectAltName,
            "DNS:server.dc1.consul, DNS:*.lab, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, " +
                "IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:5, URI:spiffe://lab/ns/default",
        );
        for (const address of ["::1", "10.0.0.1", "2001:db8::5"]) {
            pki.verify(ca.cert, leaf.cert, "-verify_ip", address);
        }
        const nameless = await pki.sign(ca, await pki.key(), { dnsNames: ["only.lab"] });
        assert.match(text(nameless.cert), /Subject Alternative Name: critical/);
    });

    it("are issued from requests and by CAs that openssl made", async () => {
        const key = await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" });
        const keyFile = pki.file("openssl.key", key);
        const args = ["-new", "-key", keyFile, "-subj", "/C=BE/O=Zoë/CN=made elsewhere", "-utf8"];
        const cert = pki.openssl(["req", "-x509", "-days", "2", ...args]);
        const certRequestPem = pki.openssl([
            "req",
            ...args,
            "-addext",
            "subjectAltName=email:a@b.c,URI:spiffe://x/y,DNS:a.lab",
            "-addext",
            "basicConstraints=CA:TRUE",
        ]);
        const { outputs } = await pki.make(types.locallySigned, {
            caCertPem: `made by hand\n${cert}`,
            caPrivateKeyPem: pki.openssl(["pkcs8", "-topk8", "-nocrypt", "-in", keyFile]),
            certRequestPem,
            allowedUses: ["server_auth"],
            validityPeriodHours: 1,
        });
        const leaf = new X509Certificate(outputs.certPem!);
        assert.equal(leaf.subject, "C=BE\nO=Zoë\nCN=made elsewhere");
        assert.equal(leaf.ca, false, "a request cannot make itself a CA");
        assert.equal(leaf.subjectAltName, "DNS:a.lab, URI:spiffe://x/y");
        assert.ok(leaf.checkIssued(new X509Certificate(cert)));
        // The names of issuer and subject are the same here: then Go leaves the authority's key out.
        assert.doesNotMatch(text(outputs.certPem!), /Authority Key Identifier/);
    });

    it("allow the uses that are asked for and no others", async () => {
        const key = await pki.key();
        const expected: Record<string, string> = {
            any_extended: "Any Extended Key Usage",
            cert_signing: "Certificate Sign",
            client_auth: "TLS Web Client Authentication",
            code_signing: "Code Signing",
            content_commitment: "Non Repudiation",
            crl_signing: "CRL Sign",
            data_encipherment: "Data Encipherment",
            decipher_only: "Decipher Only",
            digital_signature: "Digital Signature",
            email_protection: "E-mail Protection",
            encipher_only: "Encipher Only",
            ipsec_end_system: "IPSec End System",
            ipsec_tunnel: "IPSec Tunnel",
            ipsec_user: "IPSec User",
            key_agreement: "Key Agreement",
            key_encipherment: "Key Encipherment",
            microsoft_commercial_code_signing: "Microsoft Commercial Code Signing",
            microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
            microsoft_server_gated_crypto: "Microsoft Server Gated Crypto",
            netscape_server_gated_crypto: "Netscape Server Gated Crypto",
            ocsp_signing: "OCSP Signing",
            server_auth: "TLS Web Server Authentication",
            timestamping: "Time Stamping",
        };
        assert.deepEqual([...allowedUses], Object.keys(expected));
        const usesOf = async (uses: string[]) => {
            const { cert } = await pki.authority(key, { allowedUses: uses, isCaCertificate: false });
            const found = /X509v3 (?:Extended )?Key Usage:[^\n]*\n +(.*)/g;
            return [...text(cert).matchAll(found)].flatMap((match) => match[1]!.split(", "));
        };
        for (const [use, name] of Object.entries(expected)) {
            assert.deepEqual(await usesOf([use]), [name], use);
        }
        assert.deepEqual((await usesOf([...allowedUses])).sort(), Object.values(expected).sort());
        assert.deepEqual(await usesOf([]), []);
    });

    it("have the key identifiers and the path length that are asked for", async () => {
        const key = await pki.key();
        const identifiers = async (args: Values) => {
            const found = text((await pki.authority(key, args)).cert);
            const id = (name: string) =>
                new RegExp(`${name} Key Identifier: \\n +([0-9A-F:]+)`).exec(found)?.[1];
            return [id("Subject") !== undefined, id("Subject") === id("Authority")];
        };
        const leaf = { isCaCertificate: false };
        assert.deepEqual(await identifiers(leaf), [false, true]);
        assert.deepEqual(await identifiers({ ...leaf, setSubjectKeyId: true }), [true, false]);
        assert.deepEqual(await identifiers({ ...leaf, setSubjectKeyId: true, setAuthorityKeyId: true }), [
            true,
            true,
        ]);
        assert.deepEqual(await identifiers({}), [true, false], "a CA always has one");
        assert.deepEqual(await identifiers({ setAuthorityKeyId: true }), [true, true]);

        const constraints = async (args: Values) =>
            /Basic Constraints: critical\n +(.*)/.exec(text((await pki.authority(key, args)).cert))?.[1];
        assert.equal(await constraints({}), "CA:TRUE");
        assert.equal(await constraints({ maxPathLength: -1 }), "CA:TRUE");
        assert.equal(await constraints({ maxPathLength: 0 }), "CA:TRUE, pathlen:0");
        assert.equal(await constraints({ maxPathLength: 300 }), "CA:TRUE, pathlen:300");
        assert.equal(await constraints({ ...leaf, maxPathLength: 2 }), "CA:FALSE");
    });

    it("make chains, as long as the path length lets them", async () => {
        const chain = async (maxPathLength: number) => {
            const root = await pki.authority(await pki.key(), { maxPathLength });
            const middle = await pki.sign(
                root,
                await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }),
                { subject: { commonName: "Issuing CA" } },
                { isCaCertificate: true, allowedUses: ["cert_signing"], setSubjectKeyId: true },
            );
            const leaf = await pki.sign(middle, await pki.key(), { dnsNames: ["deep.lab"] });
            return pki.tryOpenssl([
                "verify",
                "-x509_strict",
                "-CAfile",
                pki.file("root.pem", root.cert),
                "-untrusted",
                pki.file("middle.pem", middle.cert),
                pki.file("leaf.pem", leaf.cert),
            ]);
        };
        assert.equal((await chain(1)).status, 0);
        assert.match((await chain(0)).stderr, /path length constraint exceeded/);
    });

    it("have a random serial number, which is their id, and the validity that the outputs say", async () => {
        const key = await pki.key();
        const before = Date.now();
        const made = await Promise.all(Array.from({ length: 20 }, () => pki.authority(key)));
        assert.equal(new Set(made.map(({ made: { id } }) => id)).size, 20);
        for (const { cert, made: one } of made) {
            const certificate = new X509Certificate(cert);
            assert.equal(BigInt(one.id), BigInt(`0x${certificate.serialNumber}`));
            const start = Date.parse(one.outputs.validityStartTime!);
            assert.ok(start >= before && start <= Date.now());
            assert.equal(Date.parse(one.outputs.validityEndTime!) - start, 24 * 3_600_000);
            assert.equal(Date.parse(certificate.validFrom), Math.floor(start / 1000) * 1000);
            assert.equal(Date.parse(certificate.validTo), Math.floor(start / 1000) * 1000 + 24 * 3_600_000);
            assert.equal(one.outputs.readyForRenewal, false);
        }
        const late = await pki.authority(key, { validityPeriodHours: 100 * 365 * 24 });
        assert.match(new X509Certificate(late.cert).validTo, / 21\d\d GMT$/);
        pki.verify(late.cert, late.cert);
    });

    it("serve mutual TLS between real ends, and nobody else", async () => {
        const ca = await pki.authority(await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
        const server = await pki.sign(
            ca,
            await pki.key({ algorithm: "RSA" }),
            { dnsNames: ["server.lab"] },
            { allowedUses: ["digital_signature", "server_auth"] },
        );
        const clientUses = { allowedUses: ["digital_signature", "client_auth"] };
        const client = await pki.sign(ca, await pki.key(), { subject: { commonName: "cli" } }, clientUses);
        const stranger = await pki.sign(
            await pki.authority(await pki.key()),
            await pki.key(),
            { subject: { commonName: "stranger" } },
            clientUses,
        );
        const listener = tls.createServer(
            { key: server.key, cert: server.cert, ca: ca.cert, requestCert: true, rejectUnauthorized: true },
            (socket) => socket.end(`hello ${socket.getPeerCertificate().subject.CN}`),
        );
        // Refusals of clients are the subject of the test.
        listener.on("tlsClientError", () => {});
        listener.listen(0, "127.0.0.1");
        await once(listener, "listening");
        const ask = (who?: Identity, servername = "server.lab") =>
            new Promise<string>((resolve, reject) => {
                const socket = tls.connect({
                    host: "127.0.0.1",
                    port: (listener.address() as AddressInfo).port,
                    servername,
                    ca: ca.cert,
                    ...(who && { key: who.key, cert: who.cert }),
                });
                let heard = "";
                socket.setTimeout(5000, () => socket.destroy(new Error("no answer in time")));
                socket.on("data", (data: Buffer) => (heard += data.toString()));
                socket.on("error", reject);
                // Node's server hangs up on a client that it does not believe, without an alert.
                socket.on("close", () =>
                    heard ? resolve(heard) : reject(new Error("the server hung up before it greeted")),
                );
            });
        try {
            assert.equal(await ask(client), "hello cli");
            await assert.rejects(ask(), /certificate required/);
            await assert.rejects(ask(stranger), /hung up|ECONNRESET/);
            await assert.rejects(ask(server), /hung up|ECONNRESET/, "server_auth alone makes no client");
            await assert.rejects(ask(client, "other.lab"), /does not match certificate's altnames/);
        } finally {
            listener.close();
        }
    });
});
