import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

import { imageReference } from "../../../toolchain/images";
import { output, root } from "../../support/command";
import { docker } from "../../support/docker";
import { request } from "../../support/http";
import { type LoadReport, withLoad } from "../../support/load";
import { Pebble } from "../../support/pebble";
import { eventually } from "../../support/poll";
import { lab } from "../../support/sticky-lab";
import { servedCertificate, tlsRequest } from "../../support/tls";
import { makeCertificate } from "../../unit/sticky/certificates";

const pair = { back1: {}, back2: {} };
const domain = "www.sticky.example";

describe("sticky lab", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());

    const underLoad = async (action: () => Promise<unknown>): Promise<LoadReport> =>
        (await withLoad({ url: `${lab.url("webapp")}/`, rate: 100 }, action)).report;
    const assertNoneFailed = (report: LoadReport): void =>
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
    /** When the balancer's container was started. */
    const started = (): Promise<string> =>
        docker("inspect", "--format", "{{.State.StartedAt}}", lab.stack.object("balancer"));

    it("ends by saying where to look, and greets as the document's backends do", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["webapp", "haproxyStats"]) {
            assert.ok(output.includes(lab.url(name)), `make up does not print urls.${name}`);
        }
        await lab.answers("back1 back2");
        const { body } = await request(`${lab.url("webapp")}/`);
        assert.match(body, /^Hello from Backend: back[12]\n/);
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());

    it("keeps a session on its backend by a cookie that scripts cannot read", async () => {
        const { headers } = await request(`${lab.url("webapp")}/`);
        assert.match([headers["set-cookie"]].flat()[0] ?? "", /^SERVERID=back[12]; path=\/; HttpOnly$/);
        for (const name of ["back1", "back2"]) {
            for (let n = 0; n < 5; n += 1) {
                assert.equal((await lab.visit(`SERVERID=${name}`)).backend, name);
            }
        }
    });

    it("keeps statistics and metrics behind the password", async () => {
        for (const page of ["/", "/metrics"]) {
            const url = lab.url("haproxyStats") + page;
            assert.equal((await request(url)).status, 401, page);
            assert.equal((await request(url, { auth: lab.statsAuth })).status, 200, page);
        }
    });

    it("loses no request when a backend stops; sessions move, and old cookies work when it is back", async () => {
        const report = await underLoad(async () => {
            await lab.docker("stop", "back1");
            assert.equal((await lab.visit("SERVERID=back1")).backend, "back2");
            await lab.answers("back2");
            await lab.docker("start", "back1");
            await lab.answers("back1 back2");
            assert.equal((await lab.visit("SERVERID=back1")).backend, "back1");
        });
        assertNoneFailed(report);
    });

    it("answers with a page of its own when both are gone", async () => {
        await lab.docker("stop", "back1", "back2");
        await lab.answers("status 503");
        const { body, headers } = await request(`${lab.url("webapp")}/`);
        assert.match(String(headers["content-type"]), /text\/html/);
        assert.match(body, /No healthy/i);
        await lab.docker("start", "back1", "back2");
        await lab.answers("back1 back2");
    });

    it("adds and removes a backend without a failed request, a lost session or a new balancer", async () => {
        const before = await started();
        const report = await underLoad(async () => {
            await lab.change({ backends: { ...pair, back3: {} } });
            await lab.answers("back1 back2 back3");
            assert.equal((await lab.visit("SERVERID=back2")).backend, "back2");
            await lab.change({ backends: { back2: {}, back3: {} } });
            await lab.answers("back2 back3");
            assert.equal((await lab.visit("SERVERID=back2")).backend, "back2");
            assert.equal((await lab.visit("SERVERID=back3")).backend, "back3");
            await lab.change({ backends: undefined });
            await lab.answers("back1 back2");
        });
        assertNoneFailed(report);
        assert.equal(await started(), before, "the balancer's container was replaced");
    });

    it("replaces backends one after the other without a failed request", async () => {
        const backends = ["back1", "back2"].map((name) => lab.stack.object(name));
        const containers = () => docker("inspect", "--format", "{{.Created}} {{.Id}}", ...backends);
        const before = (await containers()).split("\n");
        // What is to be replaced, as with another image of theirs.
        await taint("back1", "back2");
        let fewest = Infinity;
        const report = await underLoad(async () => {
            // An answer of this page that does not come in time says nothing of the backends.
            const watch = setInterval(() => {
                lab.health().then(
                    ({ backends: { up } }) => (fewest = Math.min(fewest, up)),
                    () => undefined,
                );
            }, 50);
            try {
                await lab.up();
            } finally {
                clearInterval(watch);
            }
            await lab.answers("back1 back2");
        });
        assertNoneFailed(report);
        // Two where the new one was there before a check could miss the old one.
        assert.ok(fewest === 1 || fewest === 2, `there was not always one: ${fewest}`);
        const after = (await containers()).split("\n");
        assert.ok(
            before.every((each, n) => each === "" || each !== after[n]),
            after.join(),
        );
        await lab.stack.previewsNothing();
    });

    it("keeps its settings over a restart of its containers", async () => {
        await lab.docker("kill", "balancer", "back1", "back2");
        await lab.docker("start", "balancer", "back2", "back1");
        await lab.answers("back1 back2");
    });

    describe("with HTTPS", () => {
        it("serves a certificate of the user's own, redirects, and sets the cookie for HTTPS only", async () => {
            const { pem, ca } = await makeCertificate({ domain });
            await lab.change({
                https: { enabled: true, domainName: domain },
                certificate: { provided: pem },
            });
            await lab.answers("status 301");
            const port = lab.stack.ports["webappTls"]!;
            const redirect = await request(`${lab.url("webapp")}/a?b=c`, { headers: { host: domain } });
            assert.equal(redirect.headers["location"], `https://${domain}:${port}/a?b=c`);
            const answer = await tlsRequest({ port, servername: domain, ca });
            assert.equal(answer.status, 200);
            assert.match([answer.headers["set-cookie"]].flat()[0] ?? "", /HttpOnly; Secure/i);
            assert.match(String(answer.headers["strict-transport-security"]), /max-age=63072000/);
            const { certificate } = await lab.health();
            assert.equal(certificate?.source, "provided");
            await lab.stack.previewsNothing();
        });

        it("gets a certificate from a CA that asks it to prove its domain", async () => {
            const network = lab.stack.object("network");
            const pebble = await Pebble.start({
                name: lab.stack.object("pebble"),
                network,
                stack: lab.stack.name,
            });
            try {
                // In a DNS of the CA's own the domain is the balancer.
                const address = (
                    await docker(
                        ...[
                            "inspect",
                            "--format",
                            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
                        ],
                        lab.stack.object("balancer"),
                    )
                ).trim();
                await docker(
                    ...["exec", "--user", "0", lab.stack.object("pebble"), "/bin/sh", "-c"],
                    `echo '${address} ${domain}' >> /etc/hosts`,
                );
                await lab.change({
                    https: { enabled: true, domainName: domain, emailAddress: "operator@sticky.example" },
                    certificate: { directory: pebble.directory, caCertificate: pebble.ca },
                });
                await eventually(
                    "the CA's certificate is served",
                    async () => {
                        const { certificate } = await lab.health();
                        assert.equal(certificate?.source, "acme", JSON.stringify(certificate));
                        const shown = await servedCertificate(lab.stack.ports["webappTls"]!, domain);
                        assert.match(shown.issuer, /Pebble/);
                    },
                    { within: 60 },
                );
            } finally {
                await pebble.remove();
            }
        });

        it("shows the key of a certificate to nobody who looks at the state's inputs or the log", async () => {
            const { pem } = await makeCertificate({ domain });
            const { output } = await lab.change({
                https: { enabled: true, domainName: domain },
                certificate: { provided: pem },
            });
            const secret = pem.split("\n").at(-4) ?? "";
            assert.ok(secret.length > 20);
            assert.ok(!output.includes(secret), "make up shows the key");
            const logs = await docker("logs", lab.stack.object("balancer"));
            assert.ok(!logs.includes(secret), "the balancer's log shows the key");
        });

        it("refuses a certificate whose key does not match, or that has expired, and changes nothing", async () => {
            const [one, other] = [await makeCertificate({ domain }), await makeCertificate({ domain })];
            const expired = await makeCertificate({ domain, days: -1 });
            const https = { enabled: true, domainName: domain };
            for (const [provided, said] of [
                [one.certificate + other.key, /certificate\.provided: .*does not belong to the private key/],
                [expired.pem, /certificate\.provided: .*has expired/],
            ] as const) {
                lab.stack.configure({ https, certificate: { provided } });
                const text = await lab.stack.refused("up");
                assert.match(text, said);
                assert.doesNotMatch(text, /BEGIN/);
            }
            await lab.change({ https: undefined, certificate: undefined });
            await lab.answers("back1 back2");
        });
    });

    it("pushes its images to a registry that asks for a password, and runs what it pushed", async () => {
        const registry = await startRegistry();
        try {
            await lab.change({
                registry: {
                    server: registry.address,
                    repository: "team",
                    username: "me",
                    password: "hunter2",
                },
            });
            const catalog = await request(`http://${registry.address}/v2/_catalog`, { auth: "me:hunter2" });
            assert.deepEqual(JSON.parse(catalog.body), { repositories: ["team/balancer", "team/hello"] });
            assert.equal((await request(`http://${registry.address}/v2/_catalog`)).status, 401);
            const image = await docker(
                ...["inspect", "--format", "{{.Config.Image}}", lab.stack.object("balancer")],
            );
            assert.match(image, new RegExp(`^${registry.address}/team/balancer@sha256:`));
            await lab.answers("back1 back2");
            await lab.stack.previewsNothing();
        } finally {
            await lab.change({ registry: undefined });
            await registry.stop();
        }
    });
});

/** Has the next `up` replace containers of the lab. */
async function taint(...containers: string[]): Promise<void> {
    const { stdout } = await lab.stack.must("env");
    const urns = containers.map(
        (name) =>
            `'urn:pulumi:${lab.stack.name}::gatehouse::gatehouse:labs:StickyLab$docker:index/container:Container::${name}'`,
    );
    await output("bash", ["-c", `${stdout}\npulumi state taint --yes ${urns.join(" ")}`], { cwd: root });
}

/** A registry container of the test's own that knows one user: me, hunter2. */
async function startRegistry(): Promise<{ address: string; stop: () => Promise<void> }> {
    const name = lab.stack.object("test-registry");
    const port = lab.stack.place.portOffset + 8499;
    const folder = mkdtempSync(path.join(tmpdir(), "gatehouse-registry-"));
    const users = path.join(folder, "htpasswd");
    // bcrypt of hunter2: the registry takes nothing else.
    writeFileSync(users, "me:$2y$05$5KnNN0vNRPvC2CAnLVAzruX5TE.5N09YRKa.ay.FpR5qxuXxjtnHW\n", {
        mode: 0o644,
    });
    await docker(
        ...["create", "--name", name, "--label", `dev.gatehouse.stack=${lab.stack.name}`],
        ...["--publish", `127.0.0.1:${port}:5000`],
        ...["--env", "REGISTRY_AUTH=htpasswd", "--env", "REGISTRY_AUTH_HTPASSWD_REALM=test"],
        ...["--env", "REGISTRY_AUTH_HTPASSWD_PATH=/etc/docker/registry/htpasswd", imageReference("registry")],
    );
    await docker("cp", users, `${name}:/etc/docker/registry/htpasswd`);
    await docker("start", name);
    const address = `127.0.0.1:${port}`;
    await eventually("the registry asks for a password", async () =>
        assert.equal((await request(`http://${address}/v2/`)).status, 401),
    );
    return {
        address,
        stop: async () => {
            rmSync(folder, { recursive: true });
            await docker("rm", "--force", "--volumes", name);
        },
    };
}
