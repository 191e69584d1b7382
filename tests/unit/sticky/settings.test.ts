import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { directories, parseSettings, readFiles, SettingsError } from "../../../images/balancer/settings";

const one = { BACKEND1_URL: "web:80" };

function problemsOf(values: Record<string, string>, options = {}): Record<string, string> {
    try {
        parseSettings(values, options);
    } catch (error) {
        assert.ok(error instanceof SettingsError, String(error));
        return Object.fromEntries(error.problems.map(({ variable, message }) => [variable, message]));
    }
    return {};
}

describe("the balancer's settings", () => {
    it("need no more than a backend", () => {
        assert.deepEqual(parseSettings(one), {
            backends: [{ name: "back1", host: "web", port: 80 }],
            healthPath: "/",
            stats: undefined,
            https: undefined,
            log: "errors",
            stopSeconds: 8,
        });
        assert.match(problemsOf({}).BACKEND1_URL ?? "", /there is no backend/);
        assert.deepEqual(parseSettings({}, { needBackends: false }).backends, []);
    });

    it("take the document's variables as they are", () => {
        const { backends, https } = parseSettings({
            DOMAIN_NAME: "yourdomain.com",
            EMAIL_ADDRESS: "your@email.com",
            BACKEND1_URL: "back1.test.com:80",
            BACKEND2_URL: "back2.test.com:80",
            ENABLE_HTTPS: "false",
        });
        assert.deepEqual(
            backends.map(({ name, host, port }) => `${name} ${host}:${port}`),
            ["back1 back1.test.com:80", "back2 back2.test.com:80"],
        );
        assert.equal(https, undefined);
    });

    it("number backends with gaps, in the order of the numbers, and name them", () => {
        const { backends } = parseSettings({
            BACKEND10_URL: "http://ten:8080/",
            BACKEND2_URL: "http://two",
            BACKEND7_URL: "10.1.2.3:81",
            BACKEND7_NAME: "seven",
        });
        assert.deepEqual(backends, [
            { name: "back2", host: "two", port: 80 },
            { name: "seven", host: "10.1.2.3", port: 81 },
            { name: "back10", host: "ten", port: 8080 },
        ]);
    });

    it("refuse names that two backends share, and a name without an address", () => {
        assert.match(
            problemsOf({ BACKEND1_URL: "a:1", BACKEND2_URL: "b:1", BACKEND2_NAME: "back1" }).BACKEND2_NAME ??
                "",
            /also the name of BACKEND1/,
        );
        assert.match(problemsOf({ ...one, BACKEND3_NAME: "x" }).BACKEND3_URL ?? "", /is missing/);
        assert.match(problemsOf({ ...one, BACKEND1_NAME: "a b" }).BACKEND1_NAME ?? "", /letters, digits/);
    });

    it("are all told at once, by name", () => {
        const problems = problemsOf({
            BACKEND1_URL: "web",
            BACKEND2_URL: "https://web:443",
            BACKEND3_URL: "999.1.1.1:80",
            BACKEND4_URL: "web:70000",
            ENABLE_HTTPS: "yes",
            DOMAIN_NAME: "https://example.org",
            EMAIL_ADDRESS: "nobody",
            HEALTH_PATH: "up",
            STATS_USER: "a:b",
            STATS_PASSWORD: "two words",
            HTTPS_PUBLIC_PORT: "0",
            HSTS_MAX_AGE: "-1",
            ACME_DIRECTORY: "http://ca.example",
            ACME_STAGING: "true",
            ACME_CA: "nothing",
            ACME_EAB_KID: "kid",
            ACME_RETRY_SECONDS: "100",
            ACME_RETRY_MAX_SECONDS: "50",
            CERTIFICATE: "nothing",
            LOG: "most",
            STOP_SECONDS: "soon",
        });
        assert.deepEqual(Object.keys(problems).sort(), [
            "ACME_CA",
            "ACME_DIRECTORY",
            "ACME_EAB_HMAC_KEY",
            "ACME_RETRY_MAX_SECONDS",
            "ACME_STAGING",
            "BACKEND1_URL",
            "BACKEND2_URL",
            "BACKEND3_URL",
            "BACKEND4_URL",
            "CERTIFICATE",
            "DOMAIN_NAME",
            "EMAIL_ADDRESS",
            "ENABLE_HTTPS",
            "HEALTH_PATH",
            "HSTS_MAX_AGE",
            "HTTPS_PUBLIC_PORT",
            "LOG",
            "STATS_PASSWORD",
            "STATS_USER",
            "STOP_SECONDS",
        ]);
    });

    it("ask Let's Encrypt unless told otherwise, and its staging directory by a flag", () => {
        const https = (values: Record<string, string>) => {
            const all = { ...one, ENABLE_HTTPS: "true", DOMAIN_NAME: "example.org", ...values };
            const certificate = parseSettings(all).https?.certificate;
            assert.ok(certificate?.kind === "acme");
            return certificate;
        };
        assert.equal(https({}).directory, directories.production);
        assert.equal(https({ ACME_STAGING: "true" }).directory, directories.staging);
        assert.equal(https({ ACME_DIRECTORY: "https://ca.test/dir" }).directory, "https://ca.test/dir");
        assert.equal(https({}).email, undefined);
        assert.match(problemsOf({ ...one, ENABLE_HTTPS: "true" }).DOMAIN_NAME ?? "", /needs the name/);
    });

    it("know no other names where all are ours", () => {
        assert.deepEqual(Object.keys(problemsOf({ ...one, BACKEND_1_URL: "x:1" }, { strict: true })), [
            "BACKEND_1_URL",
        ]);
        assert.deepEqual(problemsOf({ ...one, HOME: "/root" }), {});
    });

    it("are read from files where a variable names one", () => {
        const read = (path: string): string => {
            if (path !== "/run/secrets/password") {
                throw new Error("no such file");
            }
            return "secret\n";
        };
        const values = readFiles({ ...one, STATS_PASSWORD_FILE: "/run/secrets/password" }, read);
        assert.deepEqual(parseSettings(values).stats, { user: "admin", password: "secret" });
        assert.throws(
            () => readFiles({ CERTIFICATE_FILE: "/nowhere" }, read),
            /CERTIFICATE_FILE: the file cannot/,
        );
        assert.throws(
            () => readFiles({ STATS_PASSWORD: "a", STATS_PASSWORD_FILE: "/run/secrets/password" }, read),
            /same setting as STATS_PASSWORD/,
        );
    });

    it("are either parsed or explained, whatever they are", () => {
        const names = fc.constantFrom(
            "BACKEND1_URL",
            "BACKEND2_URL",
            "BACKEND2_NAME",
            "ENABLE_HTTPS",
            "DOMAIN_NAME",
            "HEALTH_PATH",
            "STATS_USER",
            "STATS_PASSWORD",
            "ACME_CA",
            "CERTIFICATE",
            "HTTPS_PUBLIC_PORT",
        );
        const texts = fc.oneof(
            fc.string(),
            fc.constantFrom("true", "web:80", "example.org", "/", "8443", "a\nglobal\n", "-----BEGIN X-----"),
        );
        fc.assert(
            fc.property(fc.dictionary(names, texts), (values) => {
                try {
                    const settings = parseSettings(values);
                    // Nothing that is accepted can begin another line or section of haproxy.cfg.
                    const { certificate, ...https } = settings.https ?? { certificate: undefined };
                    void certificate;
                    JSON.stringify({ ...settings, https }, (_, value: unknown) => {
                        if (typeof value === "string") {
                            assert.doesNotMatch(value, /\p{Cc}/u);
                        }
                        return value;
                    });
                } catch (error) {
                    assert.ok(error instanceof SettingsError, String(error));
                    assert.ok(error.problems.every(({ variable }) => /^[A-Z0-9_]+$/.test(variable)));
                }
            }),
            { numRuns: 2000 },
        );
    });
});
