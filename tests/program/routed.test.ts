import * as assert from "node:assert/strict";

import { propagation } from "../../components/balancers/propagation";
import { imageReference } from "../../toolchain/images";
import { tools } from "../../toolchain/versions.json";
import { differing, runProgram, secretMark, secretsIn, type Registered, type Run } from "../support/mocks";
import { listed, ofEach, ofType } from "./expectations";
import { computed } from "./providers";
import { sameForAll } from "./same-for-all";

const servers = ["server-1", "server-2", "server-3"];
const clients = ["client-1", "client-2"];

/** All of the lab: type and names. A name is a resource's identity: changing one replaces it. */
const expected: Record<string, string[]> = {
    "command:local:Command": ["base-images-build", "machines-registry-ready"],
    "command:remote:Command": [
        ...["cluster-consul-acl", "cluster-nomad-acl", "cluster-plan", "consul-ready", "nomad-ready"],
        ...["cluster-consul-acl-rest"],
        ...ofEach(servers, "gossip"),
        ...ofEach([...servers, ...clients], "ready", "turn", "configure", "gate", "presence"),
    ],
    "consul:index/configEntry:ConfigEntry": ["countdash-default", "countdash-intention"],
    "docker:index/container:Container": ["machines-registry", ...servers, ...clients],
    "docker:index/image:Image": ofEach(
        ["images"],
        ...["counter-api", "counter-dashboard", "envoy", "hello", "pause"],
    ),
    "docker:index/network:Network": ["machines-network"],
    "docker:index/volume:Volume": ["machines-registry", ...ofEach([...servers, ...clients], "docker")],
    "gatehouse:clusters:RollingNode": [...servers, ...clients],
    "gatehouse:clusters:SecureCluster": ["cluster"],
    "gatehouse:images:ApplicationImages": ["images"],
    "gatehouse:index:BaseImages": ["base-images"],
    "gatehouse:jobs:CountDash": ["countdash"],
    "gatehouse:jobs:HelloWorld": ["helloworld"],
    "gatehouse:jobs:WebApp": ["demo-webapp"],
    "gatehouse:labs:RoutedLab": ["routed"],
    "gatehouse:machines:DockerMachine": [...servers, ...clients],
    "gatehouse:machines:DockerSubstrate": ["machines"],
    "gatehouse:security:CertificateAuthority": ["consul-ca", "nomad-ca", "operators-ca"],
    "gatehouse:security:ClusterTokens": ["tokens"],
    "gatehouse:clusters:NomadAccess": ["nomad-access"],
    "nomad:index/aclPolicy:AclPolicy": ["nomad-access-deploy", "nomad-access-operators"],
    "nomad:index/aclToken:AclToken": ["nomad-access-deploy-1", "nomad-access-operators-1"],
    "gatehouse:security:SealingKey": ["snapshots"],
    "nomad:index/job:Job": ["countdash-job", "demo-webapp-job", "helloworld-job"],
    "pulumi:providers:consul": ["consul-provider"],
    "pulumi:providers:nomad": ["nomad-provider"],
    "pulumi:pulumi:Stack": ["gatehouse-test"],
    "random:index/randomBytes:RandomBytes": [
        ...["consul-gossip", "nomad-gossip", "tokens-consul-management", "tokens-nomad-management"],
        ...ofEach(
            [
                ...["balancer", "dns", "nomad-client", "nomad-server", "operator", "roll", "snapshot"],
                ...[...servers, ...clients].map((name) => `agent-${name}`),
            ].map((role) => `tokens-${role}-generation`),
            ...["1", "2"],
        ),
    ],
    "random:index/randomPassword:RandomPassword": ["operators-password"],
    "tls:index/certRequest:CertRequest": ofEach(certified(), "request"),
    "tls:index/locallySignedCert:LocallySignedCert": ofEach(certified(), "certificate"),
    "tls:index/privateKey:PrivateKey": [
        "machines-operator",
        "snapshots-key",
        ...ofEach([...servers, ...clients], "host-key"),
        ...ofEach([...generations(), ...certified()], "key"),
    ],
    "tls:index/selfSignedCert:SelfSignedCert": ofEach([...generations(), "snapshots"], "certificate"),
};

/** Consul's clients fetch their certificates from the servers. */
function certified(): string[] {
    return [
        ...ofEach(["consul-ca"], ...servers),
        ...ofEach(["nomad-ca"], ...servers, ...clients),
        "operators-ca-server-1",
    ];
}

function generations(): string[] {
    return ofEach(["consul-ca", "nomad-ca", "operators-ca"], "generation-1");
}

const machines = (run: Run): Registered[] =>
    ofType(run, "docker:index/container:Container").filter(({ name }) => name !== "machines-registry");
const update = (settings: Record<string, unknown> = {}, last?: Record<string, unknown>) =>
    runProgram({ lab: "routed", ...settings }, { preview: false, computed, last });

describe("the program as the routed lab", function () {
    this.timeout("2m");

    const runs = sameForAll({
        name: "routed",
        component: "RoutedLab",
        resources: listed(expected),
        holders: 31,
        secrets: ["environment", "snapshots"],
    });

    it("hands every command on a machine its input as a secret", () => {
        for (const { name, inputs, secretInputs } of ofType(runs.first, "command:remote:Command")) {
            assert.ok(inputs["stdin"] === undefined || secretInputs.includes("stdin"), name);
            assert.ok(
                secretInputs.some((path) => path === "connection" || path === "connection.privateKey"),
                name,
            );
        }
    });

    it("gives user data no secret but the machine's own host key, and nothing of its cluster", () => {
        assert.equal(machines(runs.first).length, 5);
        for (const { name, inputs, secretInputs } of machines(runs.first)) {
            const uploads = inputs["uploads"] as { file: string; content: string }[];
            const userData = uploads.find(({ file }) => file.endsWith("/user-data"))?.content ?? "";
            assert.ok(Buffer.byteLength(userData) < 16 * 1024, "user data stays under 16 KB");
            const marks = userData.match(new RegExp(`${secretMark}[\\w-]+`, "g"));
            assert.deepEqual(marks, [`${secretMark}${name}-host-key`]);
            assert.deepEqual(
                secretsIn(userData.replaceAll(secretMark, "")),
                [],
                "nor one of the other kinds",
            );
            assert.doesNotMatch(userData, /CERTIFICATE|retry_join|bootstrap_expect|\bencrypt\b|dc1/);
            const addresses = new Set(userData.match(/\b10\.218\.0\.\d+\b/g));
            addresses.delete("10.218.0.2"); // The registry.
            assert.deepEqual(
                [...addresses],
                clients.includes(name) ? [addressOf(runs.first, name)] : [],
                name,
            );
            assert.ok(secretInputs.some((path) => path.startsWith("uploads")));
        }
    });

    it("lets all that lives on the machines vanish with the network they are in", () => {
        const [network] = ofType(runs.first, "docker:index/network:Network");
        const theirs = runs.first.resources.filter(
            ({ type, name }) =>
                /^(nomad|consul):/.test(type) ||
                (type === "command:remote:Command" &&
                    !machines(runs.first).some((machine) => name === `${machine.name}-ready`)),
        );
        assert.equal(theirs.length, 2 + 3 + 4 + 6 + 3 + 4 * 5);
        for (const { urn, deletedWith } of theirs) {
            assert.equal(deletedWith, network!.urn, urn);
        }
    });

    it("says how long an instance that goes may still get requests, already in a preview", () => {
        const noticed = propagation({ discovery: { form: "events", holdSeconds: 60 } });
        for (const run of [runs.preview, runs.first]) {
            assert.deepEqual(run.outputs["propagation"]?.value, noticed);
        }
    });

    it("says of its cluster what the next update is compared with", () => {
        assert.deepEqual(runs.first.outputs["cluster"]?.value, {
            stack: "test",
            datacenter: "dc1",
            subnet: "10.218.0.0/24",
            servers,
            versions: { consul: tools.consul.version, nomad: tools.nomad.version },
            rotations: {
                tokens: 1,
                authorities: { signing: 1, trusted: [1] },
                nodes: [...servers, ...clients],
            },
        });
        assert.equal(runs.preview.outputs["cluster"]?.known, false, "it is not there yet");
    });
});

function addressOf(run: Run, name: string): string {
    const container = machines(run).find((machine) => machine.name === name)!;
    return (container.inputs["networksAdvanced"] as { ipv4Address: string }[])[0]!.ipv4Address;
}

describe("changes of the routed lab", function () {
    this.timeout("2m");
    let first: Run;
    let last: Record<string, unknown>;
    before(async () => {
        first = await update();
        const outputs = Object.entries(first.outputs).map(([name, { value }]) => [name, value]);
        last = Object.fromEntries(outputs) as Record<string, unknown>;
    });

    /** What differs, without what has these machines' names in it. */
    async function changed(settings: Record<string, unknown>, ...except: string[]): Promise<string[]> {
        const all = differing(first, await update(settings, last));
        for (const name of except) {
            assert.ok(all.includes(`docker:index/container:Container ${name}`), `there is no ${name}`);
        }
        return all.filter((each) => !except.some((name) => each.includes(name)));
    }

    const commands = (...names: string[]) => names.map((name) => `command:remote:Command ${name}`);
    const everywhere = commands(
        ...["cluster-consul-acl", "cluster-consul-acl-rest", "cluster-plan", "consul-ready", "nomad-ready"],
    );
    const configured = commands(...ofEach([...clients, ...servers], "configure"));

    it("add clients without touching another machine", async () => {
        const pools = { default: { count: 3 }, gpu: { count: 1 } };
        assert.deepEqual(await changed({ pools }, "client-3", "gpu-1"), everywhere);
    });

    it("add servers without touching another machine, beyond a list of its peers", async () => {
        // The list is for agents that start: no unit reads it before that (components/clusters).
        assert.deepEqual(
            await changed({ servers: { count: 5 } }, "server-4", "server-5"),
            [...everywhere, ...configured].sort(),
        );
    });

    it("configure the machines that are there, and replace none", async () => {
        const balancer = { preferLocal: true, guard: { hold: "2m" } };
        assert.deepEqual(await changed({ balancer }), configured);
        assert.deepEqual(await changed({ discovery: "template" }), configured);
    });

    it("replace the machines by such with other versions, and refuse older ones", async () => {
        const versions = { consul: "99.0.0" };
        const run = await update({ versions }, last);
        const build = ofType(run, "command:local:Command").find(({ name }) => name === "base-images-build");
        assert.match(String(build?.inputs["create"]), /^node toolchain\/cli\.js images .* consul=99\.0\.0$/);
        const images = [...new Set(machines(run).map(({ inputs }) => inputs["image"]))];
        assert.deepEqual(images, [imageReference("machine-routed", versions)]);
        assert.notDeepEqual(images, [...new Set(machines(first).map(({ inputs }) => inputs["image"]))]);

        const older = { nomad: "1.9.0" };
        await assert.rejects(
            runProgram({ lab: "routed", versions: older }, { preview: true, computed: {}, last }),
            /gatehouse:versions\.nomad: 1\.9\.0 is older than .*, which the cluster runs/,
        );
    });

    it("lead to other CAs step by step, each from what the last update has left", async () => {
        const cluster = last["cluster"] as { rotations: Record<string, unknown> };
        const authorities = { signing: 1, trusted: [1, 2] };
        const halfway = { ...cluster, rotations: { ...cluster.rotations, authorities } };
        const { outputs } = await update({ certificates: { caRotation: 2 } }, { ...last, cluster: halfway });
        const { rotations } = outputs["cluster"]!.value as typeof cluster;
        assert.deepEqual(rotations["authorities"], { signing: 2, trusted: [2, 1] });
    });

    it("are refused together before the first resource, in a preview, too", async () => {
        for (const preview of [true, false]) {
            await assert.rejects(
                runProgram(
                    { lab: "routed", servers: { count: 1 }, datacenter: "paris" },
                    // With a resource it would fail for another reason.
                    { preview, computed: {}, last },
                ),
                ({ message }: Error) => {
                    assert.match(message, /has 2 settings to correct; nothing was changed/);
                    assert.match(message, /gatehouse:servers\.count: 1 keeps 1 of the cluster's 3 servers/);
                    assert.match(message, /gatehouse:datacenter: paris, but the cluster is/);
                    return true;
                },
            );
        }
        await assert.rejects(
            runProgram({ lab: "sticky" }, { preview: true, computed: {}, last }),
            /gatehouse:lab: sticky, but the stack is the lab routed/,
        );
    });
});
