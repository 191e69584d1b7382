import * as assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";

import { renderHaproxy } from "../../../images/balancer/haproxy-config";
import { certbotSettings, explain } from "../../../images/balancer/certbot";
import { parseProcesses, parseServers, selectServerState } from "../../../images/balancer/haproxy-sockets";
import { parseSettings } from "../../../images/balancer/settings";
import { imageReference } from "../../../toolchain/images";
import { root, run, type CommandResult } from "../../support/command";
import { makeCertificate } from "./certificates";

const two = { BACKEND1_URL: "back1:8080", BACKEND2_URL: "back2:8080" };
const https = { ...two, ENABLE_HTTPS: "true", DOMAIN_NAME: "www.example.test" };

const render = (values: Record<string, string>): string =>
    renderHaproxy(parseSettings(values, { needBackends: false }), "/check/site.pem");

/** The lines of a section, without comments. */
function section(configuration: string, heading: string): string[] {
    const found = configuration.split("\n\n").find((text) => text.startsWith(`${heading}\n`));
    assert.ok(found !== undefined, `there is no section ${heading}`);
    return found
        .split("\n")
        .slice(1)
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#"));
}

describe("the balancer's haproxy.cfg", function () {
    this.timeout("2m");
    let folder: string;
    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-balancer-"));
        chmodSync(folder, 0o755);
        writeFileSync(join(folder, "site.pem"), (await makeCertificate({ domain: "www.example.test" })).pem);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    /** What the image's own HAProxy says of each of these. */
    function check(configurations: string[]): Promise<CommandResult> {
        configurations.forEach((text, index) => writeFileSync(join(folder, `${index}.cfg`), text));
        const script = [
            "mkdir -p /run/balancer; echo 1 > /run/balancer/servers",
            ...configurations.map((_, index) => `haproxy -c -f /check/${index}.cfg || exit 1`),
        ].join("\n");
        return run("docker", [
            ...["run", "--rm", "--volume", `${folder}:/check:ro`],
            ...["--volume", `${join(root, "images/haproxy/errors")}:/etc/haproxy/errors:ro`],
            ...["--entrypoint", "/bin/sh", imageReference("balancer-base"), "-c", script],
        ]);
    }

    it("is accepted by HAProxy without a warning", async () => {
        const { code, output } = await check(
            [
                {},
                two,
                { ...two, STATS_PASSWORD: "a'b\"c#d$e\\f", LOG: "all", HEALTH_PATH: "/up?a=$HOME&b=%20" },
                https,
                { ...https, HTTPS_PUBLIC_PORT: "8443", HSTS_MAX_AGE: "0", STATS_PASSWORD: "x" },
            ].map(render),
        );
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /WARNING|ALERT/);
    });

    it("is accepted by HAProxy whatever the settings accept", async () => {
        const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
        const settings = fc.record(
            {
                BACKEND1_URL: label.map((host) => `${host}:80`),
                BACKEND2_URL: label.map((host) => `http://${host}.test`),
                BACKEND2_NAME: fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/),
                HEALTH_PATH: fc.stringMatching(/^\/[\w.~!$&()*+,;=:@%/?-]{0,20}$/),
                STATS_PASSWORD: fc.stringMatching(/^[\x21-\x7e]{1,20}$/),
                ENABLE_HTTPS: fc.constantFrom("true", "false"),
                HSTS_MAX_AGE: fc.nat().map(String),
            },
            { requiredKeys: ["BACKEND1_URL", "BACKEND2_URL", "ENABLE_HTTPS"] },
        );
        const samples = fc.sample(settings, 40).filter((values) => values.BACKEND2_NAME !== "back1");
        const { code, output } = await check(
            samples.map((values) => render({ DOMAIN_NAME: "www.example.test", ...values })),
        );
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /WARNING|ALERT/);
    });

    it("has the document's balance, cookie and redispatch, and a health check for each backend", () => {
        const apps = section(render({ ...two, BACKEND2_NAME: "blue" }), "backend apps");
        assert.ok(apps.includes("balance roundrobin"));
        assert.ok(apps.includes("cookie SERVERID insert indirect nocache httponly"));
        assert.deepEqual(
            apps.filter((line) => line.startsWith("server ")),
            ["server back1 back1:8080 cookie back1", "server blue back2:8080 cookie blue"],
        );
        assert.ok(section(render(two), "defaults").includes("option redispatch 1"));
        assert.ok(section(render(https), "backend apps").some((line) => line.endsWith("httponly secure")));
    });

    it("leads challenges to certbot only where it proves a domain", async () => {
        assert.ok(section(render(https), "frontend http").includes("default_backend challenges"));
        const { pem } = await makeCertificate({ domain: "www.example.test" });
        const own = render({ ...https, CERTIFICATE: pem });
        assert.ok(section(own, "frontend http").includes("default_backend apps"));
        assert.ok(!own.includes("backend challenges"));
        assert.ok(!render(two).includes("challenge"));
    });
});

describe("certbot's settings", () => {
    const acme = {
        kind: "acme",
        directory: "https://ca.test/dir",
        email: undefined,
        ca: undefined,
        eab: undefined,
        retrySeconds: 1,
        retryMaxSeconds: 1,
    } as const;

    it("name the directory, the domain and the account", () => {
        const plain = certbotSettings("www.example.test", acme, "/state");
        assert.match(plain, /^server = https:\/\/ca\.test\/dir$/m);
        assert.match(plain, /^domains = www\.example\.test$/m);
        assert.match(plain, /^register-unsafely-without-email = true$/m);
        const bound = { ...acme, email: "a@example.test", eab: { kid: "k", hmacKey: "h" } };
        const full = certbotSettings("www.example.test", bound, "/state");
        assert.match(full, /^email = a@example\.test$/m);
        assert.match(full, /^eab-kid = k\neab-hmac-key = h$/m);
        assert.doesNotMatch(full, /unsafely/);
    });

    it("are followed by one line of reason when it fails", () => {
        const output = [
            "Saving debug log to /x/letsencrypt.log",
            "Certbot failed to authenticate some domains (authenticator: standalone). The Certificate Authority reported these problems:",
            "  Domain: www.example.test",
            "  Type:   connection",
            "  Detail: connection refused",
            "Some challenges have failed.",
            "Ask for help or search for solutions at https://community.letsencrypt.org.",
        ].join("\n");
        assert.equal(explain(output, 1), "connection refused");
        assert.equal(explain("An unexpected error occurred:\nno route\nAsk for help", 1), "no route");
        assert.equal(
            explain(
                "An unexpected error occurred:\nAttributeError: can't set attribute\nAsk for help\n" +
                    "acme.messages.Error: urn:ietf:params:acme:error:rejectedIdentifier :: no",
                1,
            ),
            "rejectedIdentifier :: no",
        );
        assert.equal(explain("", 7), "certbot ended with code 7");
    });
});

describe("what HAProxy's sockets tell", () => {
    it("is which worker is current, and how many reloads have failed", () => {
        const answer = [
            "#<PID>          <type>          <reloads>       <uptime>        <version>",
            "16              master          3 [failed: 2]   0d00h01m28s     2.6.12",
            "# workers",
            "35              worker          0               0d00h00m00s     2.6.12",
            "# old workers",
            "18              worker          1               0d00h01m28s     2.6.12",
            "# programs",
        ].join("\n");
        assert.deepEqual(parseProcesses(answer), { failed: 2, worker: 35 });
        assert.deepEqual(parseProcesses(""), { failed: 0, worker: 0 });
    });

    it("is which servers are up", () => {
        const csv =
            "# pxname,svname,status,check_status,addr,\nstats,FRONTEND,OPEN,,,\napps,a,UP 1/2,L4CON,10.0.0.1:80,\n" +
            "apps,b,DOWN,L4TOUT,,\napps,c,MAINT (resolution),,,\napps,d,UP,L7OK,10.0.0.4:80,\napps,BACKEND,UP,,,\n";
        const servers = parseServers(csv, "apps");
        assert.deepEqual(
            servers.map(({ name, up, steady }) => [name, up, steady]),
            [
                ["a", true, false],
                ["b", false, false],
                ["c", false, false],
                ["d", true, true],
            ],
        );
        assert.deepEqual(servers[0], {
            name: "a",
            up: true,
            steady: false,
            address: "10.0.0.1:80",
            words: "UP 1/2 L4CON",
        });
    });

    it("is handed to the next worker for servers that stay what they are", () => {
        const state =
            "1\n# be_id be_name srv_id srv_name x\n4 apps 1 a 10.0.0.1\n4 apps 2 b 10.0.0.2\n5 acme 1 a 1.1.1.1\n\n";
        assert.equal(
            selectServerState(state, "apps", ["a"]),
            "1\n# be_id be_name srv_id srv_name x\n4 apps 1 a 10.0.0.1\n",
        );
    });
});
