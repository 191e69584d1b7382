import * as assert from "node:assert/strict";

import { propagation, type Propagation } from "../../components/balancers/propagation";
import { registered, runProgram, secretsIn, type Run } from "../support/mocks";
import { named, ofType } from "./expectations";
import { computed } from "./providers";
import { sameForAll } from "./same-for-all";

/** All of a lab with one machine: type and name. A name is a resource's identity: changing one replaces it. */
const expected = [
    "command:local:Command base-images-build",
    "command:local:Command machines-registry-ready",
    "command:remote:Command cluster-plan",
    "command:remote:Command consul-ready",
    "command:remote:Command nomad-ready",
    "command:remote:Command server-1-configure",
    "command:remote:Command server-1-gate",
    "command:remote:Command server-1-presence",
    "command:remote:Command server-1-ready",
    "command:remote:Command server-1-turn",
    "consul:index/configEntry:ConfigEntry countdash-default",
    "consul:index/configEntry:ConfigEntry countdash-intention",
    "docker:index/container:Container machines-registry",
    "docker:index/container:Container server-1",
    "docker:index/image:Image images-counter-api",
    "docker:index/image:Image images-counter-dashboard",
    "docker:index/image:Image images-envoy",
    "docker:index/image:Image images-haproxy",
    "docker:index/image:Image images-hello",
    "docker:index/image:Image images-pause",
    "docker:index/network:Network machines-network",
    "docker:index/volume:Volume machines-registry",
    "docker:index/volume:Volume server-1-docker",
    "gatehouse:balancers:HaproxyJob haproxy",
    "gatehouse:clusters:OpenCluster cluster",
    "gatehouse:clusters:RollingNode server-1",
    "gatehouse:images:ApplicationImages images",
    "gatehouse:index:BaseImages base-images",
    "gatehouse:jobs:CountDash countdash",
    "gatehouse:jobs:WebApp demo-webapp",
    "gatehouse:labs:NomadLab nomad",
    "gatehouse:machines:DockerMachine server-1",
    "gatehouse:machines:DockerSubstrate machines",
    "nomad:index/job:Job countdash-job",
    "nomad:index/job:Job demo-webapp-job",
    "nomad:index/job:Job haproxy-job",
    "nomad:index/variable:Variable haproxy-settings",
    "pulumi:providers:consul consul-provider",
    "pulumi:providers:nomad nomad-provider",
    "pulumi:pulumi:Stack gatehouse-test",
    "random:index/randomPassword:RandomPassword haproxy-stats-password",
    "tls:index/privateKey:PrivateKey machines-operator",
    "tls:index/privateKey:PrivateKey server-1-host-key",
];

const machineImages = /^gatehouse\/machine-nomad:/;

describe("the program as the nomad lab", function () {
    this.timeout("2m");

    const runs = sameForAll({
        name: "nomad",
        component: "NomadLab",
        resources: expected,
        holders: 3,
        secrets: ["environment"],
    });

    it("gives user data no secret but the machine's own host key", () => {
        const { inputs, secretInputs } = named(runs.first, "docker:index/container:Container", "server-1");
        const uploads = inputs["uploads"] as { file: string; content: string }[];
        const userData = uploads.find(({ file }) => file.endsWith("/user-data"))?.content ?? "";
        assert.ok(Buffer.byteLength(userData) < 16 * 1024, "user data stays under 16 KB");
        assert.deepEqual(userData.match(/gatehouse-secret-of-[\w-]+/g), [
            "gatehouse-secret-of-server-1-host-key",
        ]);
        assert.ok(
            secretInputs.some((path) => path.startsWith("uploads")),
            "it is marked as secret all the same",
        );
        assert.match(String(inputs["image"]), machineImages);
    });

    it("has the password among the environment", () => {
        assert.ok(secretsIn(runs.first.outputs["environment"]?.value).length > 0);
    });

    it("exports what README and tests rely on", () => {
        assert.deepEqual(Object.keys(runs.first.outputs).sort(), [
            "environment",
            "jobs",
            "machines",
            "propagation",
            "readme",
            "topology",
            "urls",
        ]);
        assert.deepEqual(runs.first.outputs["urls"]?.value, {
            consul: "http://127.0.0.1:8500",
            dashboard: "http://127.0.0.1:9002",
            haproxyStats: "http://127.0.0.1:1936",
            nomad: "http://127.0.0.1:4646",
            webapp: "http://127.0.0.1:8000",
        });
    });

    it("says how long an instance that goes may still get requests, already in a preview", async () => {
        const noticed = propagation({ discovery: { form: "events" } });
        for (const run of [runs.preview, runs.first]) {
            assert.deepEqual(run.outputs["propagation"]?.value, noticed);
        }
        const page = String(runs.first.outputs["readme"]?.value);
        assert.ok(page.includes(`| is deregistered | ${noticed.deregistration.seconds} s |`), page);
        const settings = { discovery: "dns", haproxy: { hold: { obsolete: "1s" } } };
        const other = await runProgram(settings, { preview: false, computed });
        const { seconds } = (other.outputs["propagation"]?.value as Propagation).deregistration;
        const bare = propagation({ discovery: { form: "dns" } }).deregistration.seconds;
        assert.equal(seconds, Math.round((bare + 1.1) * 1000) / 1000);
    });

    it("hands its settings to the jobs, and nothing to those that it is not told", async () => {
        const vars = (run: Run) =>
            named(run, "nomad:index/job:Job", "demo-webapp-job").inputs["hcl2"] as {
                vars: Record<string, string>;
            };
        const items = (run: Run) =>
            named(run, "nomad:index/variable:Variable", "haproxy-settings").inputs["items"] as Record<
                string,
                string
            >;
        const plain = [...Object.keys(vars(runs.first).vars), ...Object.keys(items(runs.first))];
        assert.deepEqual(
            plain.filter((key) => /^hold_|shutdown_delay|weights/.test(key)),
            [],
        );
        const told = await runProgram(
            {
                webapp: { shutdownDelay: "3s", weights: { passing: 512 } },
                discovery: "dns",
                haproxy: { hold: { obsolete: "500ms", nx: "0s" } },
            },
            { preview: false, computed },
        );
        assert.equal(vars(told).vars["shutdown_delay"], "3s");
        assert.equal(vars(told).vars["weights"], '{"passing":512,"warning":1}');
        assert.deepEqual(
            Object.entries(items(told)).filter(([key]) => key.startsWith("hold_")),
            [
                ["hold_nx", "0ms"],
                ["hold_obsolete", "500ms"],
            ],
        );
    });

    it("waits for each job's deployment and purges it on destroy", () => {
        const jobs = ofType(runs.first, "nomad:index/job:Job");
        assert.equal(jobs.length, 3);
        for (const { name, inputs } of jobs) {
            assert.equal(inputs["detach"], false, name);
            assert.equal(inputs["purgeOnDestroy"], true, name);
        }
    });

    it("gives each provider's resources to the provider of their own cluster", () => {
        for (const [prefix, provider] of [
            ["nomad:", "pulumi:providers:nomad"],
            ["consul:", "pulumi:providers:consul"],
        ] as const) {
            const resources = runs.first.resources.filter(({ type }) => type.startsWith(prefix));
            assert.ok(resources.length > 0);
            for (const resource of resources) {
                assert.ok(
                    resource.provider.includes(`${provider}::`),
                    `${resource.urn}: ${resource.provider}`,
                );
            }
        }
    });

    it("refuses a call or a resource that nobody has foreseen", async () => {
        const others = { ...computed };
        delete others["docker:index/network:Network"];
        await assert.rejects(
            runProgram({}, { preview: false, computed: others }),
            /unmocked resource type docker:index\/network/,
        );
    });

    it("asks several servers before their machines go, but not a lone one, whose jobs are made anew with it", async () => {
        const asked = (run: Run) =>
            ofType(run, "command:remote:Command")
                .filter(({ name, inputs }) => name.endsWith("-turn") && inputs["delete"] !== undefined)
                .map(({ name }) => name)
                .sort();
        assert.deepEqual(asked(runs.first), []);
        const three = await runProgram({ servers: { count: 3 } }, { preview: false, computed });
        assert.deepEqual(asked(three), ["server-1-turn", "server-2-turn", "server-3-turn"]);
    });

    describe("with more machines", () => {
        const sizes = [
            { servers: { count: 1 }, clients: { count: 1 } },
            { servers: { count: 1 }, clients: { count: 2 } },
            { servers: { count: 3 }, clients: { count: 2 } },
        ];

        it("changes no name when one is added", async () => {
            let before: Run | undefined;
            for (const size of sizes) {
                const run = await runProgram(size, { preview: false, computed });
                const there = registered(run);
                const missing =
                    before === undefined ? [] : registered(before).filter((each) => !there.includes(each));
                assert.deepEqual(missing, [], `adding a machine (${JSON.stringify(size)}) renames resources`);
                before = run;
            }
        });

        it("leaves the other machines as they are when a client is added", async () => {
            const [one, two] = [
                await runProgram(sizes[0] as object as Record<string, unknown>, { preview: false, computed }),
                await runProgram(sizes[1] as object as Record<string, unknown>, { preview: false, computed }),
            ];
            for (const container of ofType(one, "docker:index/container:Container")) {
                assert.deepEqual(named(two, container.type, container.name).inputs, container.inputs);
            }
        });
    });

    it("hands its agents' configuration to machines that run, and another datacenter to new ones", async () => {
        const differing = async (settings: Record<string, unknown>): Promise<string[]> => {
            const run = await runProgram(settings, { preview: false, computed });
            return runs.first.resources
                .filter(({ type, name, inputs }) => {
                    const now = JSON.stringify(named(run, type, name).inputs);
                    return now !== JSON.stringify(inputs);
                })
                .map(({ type, name }) => `${type} ${name}`);
        };
        assert.deepEqual(await differing({ logLevel: "DEBUG" }), [
            "command:remote:Command server-1-configure",
        ]);
        assert.ok(
            (await differing({ datacenter: "dc2" })).includes("docker:index/container:Container server-1"),
        );
    });

    it("changes neither machines nor HAProxy when the web application is scaled or its message changes", async () => {
        const changed = await runProgram(
            { webapp: { count: 5, message: "other" } },
            { preview: false, computed },
        );
        const differing = runs.first.resources.filter((resource) => {
            const now = named(changed, resource.type, resource.name);
            try {
                assert.deepEqual(now.inputs, resource.inputs);
                return false;
            } catch {
                return true;
            }
        });
        assert.deepEqual(
            differing.map(({ type, name }) => `${type} ${name}`),
            ["nomad:index/job:Job demo-webapp-job"],
        );
    });
});
