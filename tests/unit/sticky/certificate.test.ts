import * as assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";

import { checkCertificate } from "../../../images/balancer/certificate";
import { makeCertificate, type TestCertificate } from "./certificates";

const domain = "www.example.test";

describe("a provided certificate", () => {
    let good: TestCertificate;
    let other: TestCertificate;
    before(async () => {
        good = await makeCertificate({ domain });
        other = await makeCertificate({ domain, rsa: true });
    });

    const problems = (text: string, at = new Date(), forDomain = domain): string => {
        const checked = checkCertificate(text, { at, domain: forDomain });
        return "problems" in checked ? checked.problems.join("; ") : "";
    };

    it("is accepted with its key, in any order and with anything around it", () => {
        for (const text of [
            good.pem,
            `${good.key}\n\n${good.certificate}`,
            `subject=/CN=test\r\n${good.pem.replaceAll("\n", "\r\n")}\r\n\r\n`,
            other.pem,
            good.pem + good.ca!,
        ]) {
            assert.equal(problems(text), "");
        }
    });

    it("becomes a text that HAProxy's command socket can carry, leaf first", () => {
        const checked = checkCertificate(`${good.key}\n\n${good.certificate}\n\n${good.ca!}`);
        assert.ok("pem" in checked);
        assert.doesNotMatch(checked.pem, /\n\n|\r/);
        assert.deepEqual(
            [...checked.pem.matchAll(/BEGIN ([A-Z ]+)-/g)].map(([, label]) => label),
            ["CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"],
        );
        assert.equal(checked.info.names, `DNS:${domain}`);
        assert.match(checked.info.issuer, /CN=test CA/);
    });

    it("is refused with somebody else's key", () => {
        assert.match(problems(good.certificate + other.key), /does not belong to the private key/);
    });

    it("is refused when it is over, or has not begun", async () => {
        const expired = await makeCertificate({ domain, days: -1 });
        assert.match(problems(expired.pem), /has expired on \d{4}-/);
        assert.ok(
            "pem" in checkCertificate(expired.pem),
            "without a moment to compare with it is none of our business",
        );
        const future = await makeCertificate({ domain, future: true });
        assert.match(problems(future.pem), /is not valid before \d{4}-/);
    });

    it("is refused for another domain", () => {
        assert.match(problems(good.pem, new Date(), "other.test"), /is not for other.test but for DNS:www/);
    });

    it("is refused with a part missing, doubled or in the wrong place", () => {
        assert.match(problems("hello"), /no "BEGIN CERTIFICATE".*no "BEGIN PRIVATE KEY"/);
        assert.match(problems(good.certificate), /no "BEGIN PRIVATE KEY" block/);
        assert.match(problems(good.pem + other.key), /has 2 private keys/);
        assert.match(problems(good.ca! + good.pem), /is not the first of its chain/);
    });

    it("is refused when it cannot be read, without repeating what it was", () => {
        const broken = good.pem.replace(/MI\w{10}/, "AAAAAAAAAAAA");
        const said = problems(broken);
        assert.match(said, /cannot be read/);
        assert.ok(!said.includes("AAAA"));
        const locked = createPrivateKey(good.key).export({
            ...{ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" },
        } as const);
        assert.match(problems(good.certificate + String(locked)), /encrypted private key/);
    });
});
