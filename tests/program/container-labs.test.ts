import * as assert from "node:assert/strict";

import { propagation, type Propagation } from "../../components/balancers/propagation";
import { differing, runProgram, type Run } from "../support/mocks";
import { named, ofType } from "./expectations";
import { computed } from "./providers";
import { sameForAll } from "./same-for-all";

/** All of each lab: type and name. A name is a resource's identity: changing one replaces it. */
const expected = {
    sticky: [
        "command:local:Command back1-serving",
        "command:local:Command back2-serving",
        "command:local:Command balancer-settings",
        "command:local:Command base-images-build",
        "docker:index/container:Container back1",
        "docker:index/container:Container back2",
        "docker:index/container:Container balancer",
        "docker:index/image:Image images-balancer",
        "docker:index/image:Image images-hello",
        "docker:index/network:Network network",
        "docker:index/volume:Volume balancer-state",
        "gatehouse:balancers:StickyBalancer balancer",
        "gatehouse:containers:ContainerNetwork network",
        "gatehouse:images:LocalImages images",
        "gatehouse:index:BaseImages base-images",
        "gatehouse:labs:StickyLab sticky",
        "pulumi:pulumi:Stack gatehouse-test",
        "random:index/randomPassword:RandomPassword haproxy-stats-password",
    ],
    template: [
        "command:local:Command base-images-build",
        "command:local:Command consul-ready",
        "command:local:Command webapp-ready",
        "consul:index/node:Node web1-node",
        "consul:index/node:Node web2-node",
        "consul:index/service:Service web1",
        "consul:index/service:Service web2",
        "docker:index/container:Container consul",
        "docker:index/container:Container haproxy",
        "docker:index/container:Container haproxy-templater",
        "docker:index/container:Container monitor",
        "docker:index/container:Container web1",
        "docker:index/container:Container web2",
        "docker:index/image:Image images-haproxy",
        "docker:index/image:Image images-hello",
        "docker:index/image:Image images-monitor",
        "docker:index/image:Image images-templater",
        "docker:index/network:Network network",
        "docker:index/volume:Volume consul-data",
        "docker:index/volume:Volume haproxy-discovery",
        "docker:index/volume:Volume haproxy-state",
        "gatehouse:balancers:TemplateBalancer haproxy",
        "gatehouse:clusters:ConsulServer consul",
        "gatehouse:containers:ContainerNetwork network",
        "gatehouse:images:LocalImages images",
        "gatehouse:index:BaseImages base-images",
        "gatehouse:labs:TemplateLab template",
        "pulumi:providers:consul consul-provider",
        "pulumi:pulumi:Stack gatehouse-test",
        "random:index/randomPassword:RandomPassword haproxy-stats-password",
    ],
};

const update = (lab: string, settings: Record<string, unknown> = {}) =>
    runProgram({ lab, ...settings }, { preview: false, computed });

for (const [name, component] of [
    ["sticky", "StickyLab"],
    ["template", "TemplateLab"],
] as const) {
    describe(`the program as the ${name} lab`, function () {
        this.timeout("2m");
        sameForAll({ name, component, resources: expected[name], holders: 1, secrets: ["environment"] });
    });
}

describe("changes of the sticky lab", function () {
    this.timeout("2m");
    let first: Run;
    before(async () => (first = await update("sticky")));

    it("adds a backend without touching the others or the balancer's container", async () => {
        const more = await update("sticky", { backends: { back1: {}, back2: {}, back3: {} } });
        assert.deepEqual(differing(first, more), [
            "command:local:Command back3-serving",
            "command:local:Command balancer-settings",
            "docker:index/container:Container back3",
        ]);
    });

    it("gives the balancer what HAProxy needs, and nothing else", () => {
        const { inputs } = named(first, "docker:index/container:Container", "balancer");
        assert.deepEqual(inputs["capabilities"], {
            drops: ["ALL"],
            adds: ["KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"],
        });
    });

    it("makes one backend after the other, each when the balancer sends requests to the one before", () => {
        const container = (name: string) => named(first, "docker:index/container:Container", name);
        const serving = named(first, "command:local:Command", "back1-serving");
        assert.match(String(serving.inputs["create"]), /gatehouse-test-balancer .* await back1$/);
        // Anew for every new container, and asked of a balancer that is there.
        assert.equal((serving.inputs["triggers"] as unknown[]).length, 1);
        assert.deepEqual(
            serving.dependencies.filter((urn) => /:Container::/.test(urn)).sort(),
            [container("back1").urn, container("balancer").urn].sort(),
        );
        assert.ok(
            container("back2").dependencies.includes(serving.urn),
            container("back2").dependencies.join(),
        );
    });

    it("leads to HTTPS by the certificate's name, and says how to get there from this computer", async () => {
        const run = await update("sticky", { https: { enabled: true, domainName: "www.example.org" } });
        const { webappTls } = run.outputs["urls"]?.value as Record<string, string>;
        assert.equal(webappTls, "https://www.example.org:8443");
        assert.match(
            String(run.outputs["readme"]?.value),
            /curl --resolve www\.example\.org:8443:127\.0\.0\.1 https:\/\/www\.example\.org:8443/,
        );
    });

    it("runs no container for a backend that is elsewhere", async () => {
        const backends = { back1: {}, far: { url: "192.0.2.7:8080" } };
        const run = await update("sticky", { backends });
        assert.deepEqual(
            ofType(run, "docker:index/container:Container")
                .map(({ name }) => name)
                .sort(),
            ["back1", "balancer"],
        );
        const settings = JSON.parse(
            String(named(run, "command:local:Command", "balancer-settings").inputs["stdin"]),
        ) as Record<string, unknown>;
        assert.equal(settings["BACKEND2_NAME"], "far");
        assert.equal(settings["BACKEND2_URL"], "192.0.2.7:8080");
    });

    it("hands the document's settings to the balancer, as a secret", async () => {
        const https = { enabled: true, domainName: "www.example.org", emailAddress: "me@example.org" };
        const run = await update("sticky", { https, certificate: { staging: true } });
        const command = named(run, "command:local:Command", "balancer-settings");
        assert.ok(command.secretInputs.includes("stdin"), command.secretInputs.join());
        const settings = JSON.parse(String(command.inputs["stdin"])) as Record<string, unknown>;
        assert.deepEqual(
            {
                ENABLE_HTTPS: settings["ENABLE_HTTPS"],
                DOMAIN_NAME: settings["DOMAIN_NAME"],
                EMAIL_ADDRESS: settings["EMAIL_ADDRESS"],
                HTTPS_PUBLIC_PORT: settings["HTTPS_PUBLIC_PORT"],
                ACME_STAGING: settings["ACME_STAGING"],
                BACKEND1_URL: settings["BACKEND1_URL"],
            },
            {
                ENABLE_HTTPS: "true",
                DOMAIN_NAME: "www.example.org",
                EMAIL_ADDRESS: "me@example.org",
                HTTPS_PUBLIC_PORT: 8443,
                ACME_STAGING: true,
                BACKEND1_URL: "back1:8080",
            },
        );
        const ports = named(run, "docker:index/container:Container", "balancer").inputs["ports"];
        assert.deepEqual(
            (ports as { internal: number; external: number }[]).map(({ internal, external }) => [
                internal,
                external,
            ]),
            [
                [80, 8080],
                [443, 8443],
                [1936, 8404],
            ],
        );
    });

    it("pushes the images to a registry of the user's, with its password as a secret", async () => {
        const registry = {
            server: "registry.example.org",
            repository: "team",
            username: "me",
            password: "p",
        };
        const run = await update("sticky", { registry });
        const image = named(run, "docker:index/image:Image", "images-balancer");
        assert.equal(image.inputs["imageName"], "registry.example.org/team/balancer:latest");
        assert.equal(image.inputs["skipPush"], false);
        assert.ok(image.secretInputs.includes("registry.password"), image.secretInputs.join());
        // What runs is what was pushed: a tag may be moved by others.
        const balancer = named(run, "docker:index/container:Container", "balancer");
        assert.match(String(balancer.inputs["image"]), /@sha256:/);
    });
});

describe("changes of the template lab", function () {
    this.timeout("2m");
    let first: Run;
    before(async () => (first = await update("template")));

    it("adds an instance without touching anything else", async () => {
        const instances = { web1: { port: 8001 }, web2: { port: 8002 }, web3: { port: 8003 } };
        assert.deepEqual(differing(first, await update("template", { instances })), [
            "consul:index/node:Node web3-node",
            "consul:index/service:Service web3",
            "docker:index/container:Container web3",
        ]);
    });

    it("checks every instance as the document does, in time as configured", async () => {
        const checks = (run: Run) =>
            (
                named(run, "consul:index/service:Service", "web2").inputs["checks"] as Record<
                    string,
                    unknown
                >[]
            )[0];
        const { http, interval, timeout } = checks(first)!;
        assert.deepEqual([http, interval, timeout], ["http://10.217.0.12:8002/health", "5s", "5s"]);
        const quick = await update("template", { check: { interval: "1s" } });
        assert.equal(checks(quick)?.["interval"], "1s");
    });

    it("says how long an instance that goes may still get requests, by its own checks and guard", async () => {
        assert.deepEqual(
            first.outputs["propagation"]?.value,
            propagation({
                discovery: { form: "template", by: "guard", holdSeconds: 60 },
                check: { interval: 5, timeout: 5 },
            }),
        );
        const quick = await update("template", { check: { interval: "100ms" }, guard: { hold: "5s" } });
        const { death, exceptions } = quick.outputs["propagation"]?.value as Propagation;
        assert.deepEqual(death.terms[0], {
            what: "Consul's check comes round",
            seconds: 0.1,
            from: "check interval",
        });
        assert.equal(exceptions[0]?.seconds, 5);
    });

    it("changes consul-template's container alone when the guard changes", async () => {
        for (const guard of [{ hold: "2m" }, { reloadGap: "1500ms" }, { reloadBurst: 10 }]) {
            const changed = differing(first, await update("template", { guard }));
            assert.deepEqual(changed, ["docker:index/container:Container haproxy-templater"]);
        }
    });

    it("changes consul-template's container alone when the discovery changes, and says so on its page", async () => {
        const instances = Object.fromEntries(
            [1, 2, 3, 4, 5, 6, 7, 8].map((n) => [`web${n}`, { port: 8000 + n }]),
        );
        const many = await update("template", { instances });
        for (const [discovery, variables, shown] of [
            [
                "events",
                ["DISCOVERY=events", "SLOTS=32"],
                /consul -->\|instances, the moment they change\| haproxy/,
            ],
            [
                "dns",
                ["CONSUL_DNS_ADDR=10.217.0.2:8600", "DISCOVERY=dns", "SLOTS=32"],
                /consul -->\|instances by DNS, ten times a second\| haproxy/,
            ],
        ] as const) {
            const run = await update("template", { instances, discovery });
            assert.deepEqual(differing(many, run), ["docker:index/container:Container haproxy-templater"]);
            const { inputs } = named(run, "docker:index/container:Container", "haproxy-templater");
            const told = (inputs["envs"] as string[]).filter((each) =>
                /^(DISCOVERY|SLOTS|CONSUL_DNS)/.test(each),
            );
            assert.deepEqual(told.sort(), variables);
            assert.match(String(run.outputs["topology"]?.value), shown);
            assert.doesNotMatch(String(run.outputs["topology"]?.value), /passing instances/);
        }
    });

    it("hands the guard its bounds, and tells HAProxy and it where they meet for the counters", async () => {
        const guard = { minimumShare: 0.25, hold: "2m", reloadGap: "1001ms", reloadBurst: 10 };
        const envs = async (settings: Record<string, unknown>) => {
            const run = await update("template", settings);
            const templater = named(run, "docker:index/container:Container", "haproxy-templater");
            assert.ok(templater.secretInputs.includes("envs"), templater.secretInputs.join());
            return templater.inputs["envs"] as string[];
        };
        const bounds = (all: string[]) => all.filter((each) => /^(GUARD|RELOAD|METRICS)_/.test(each)).sort();
        assert.deepEqual(bounds(await envs({ guard, network: { subnet: "10.220.0.0/24" } })), [
            "GUARD_HOLD=120",
            "GUARD_MIN_SHARE=0.25",
            "METRICS_ADDRESS=10.220.0.5:9101",
            "METRICS_CLIENT=10.220.0.4",
            "RELOAD_BURST=10",
            "RELOAD_GAP=1001",
        ]);
        assert.deepEqual(bounds(await envs({})), [
            "GUARD_HOLD=60",
            "GUARD_MIN_SHARE=0.5",
            "METRICS_ADDRESS=10.217.0.5:9101",
            "METRICS_CLIENT=10.217.0.4",
            "RELOAD_BURST=5",
            "RELOAD_GAP=1000",
        ]);
    });
});
