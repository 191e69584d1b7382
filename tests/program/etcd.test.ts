import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { wantedObjects } from "../../toolchain/names";
import {
    differing,
    dockerObjects,
    outermost,
    ownerOf,
    registered,
    runProgram,
    secretsIn,
    type Run,
} from "../support/mocks";
import { assertSecretsMarked, ofEach } from "./expectations";
import { computed } from "./providers";

const members = ["etcd-1", "etcd-2", "etcd-3"];
const others = ["web-1", "web-2", "balancer-1"];
const machines = [...members, ...others];

/** All of the lab: type and names. A name is a resource's identity: changing one replaces it. */
const expected: Record<string, string[]> = {
    "command:local:Command": ["base-images-build", "machines-registry-ready", "webapp-ready"],
    "command:remote:Command": [
        ...["cluster-access", "cluster-access-rest", "cluster-plan"],
        ...ofEach(members, "seed"),
        ...ofEach(machines, "ready", "turn", "configure", "gate", "presence"),
    ],
    "docker:index/container:Container": ["machines-registry", ...machines],
    "docker:index/image:Image": ["images-hello"],
    "docker:index/network:Network": ["machines-network"],
    "docker:index/volume:Volume": ["machines-registry", ...ofEach(machines, "docker")],
    "gatehouse:clusters:EtcdCluster": ["cluster"],
    "gatehouse:clusters:RollingNode": machines,
    "gatehouse:images:ApplicationImages": ["images"],
    "gatehouse:index:BaseImages": ["base-images"],
    "gatehouse:labs:EtcdLab": ["etcd"],
    "gatehouse:machines:DockerMachine": machines,
    "gatehouse:machines:DockerSubstrate": ["machines"],
    "gatehouse:security:CertificateAuthority": ["etcd-clients-ca", "etcd-peers-ca"],
    "gatehouse:security:SealingKey": ["snapshots"],
    "pulumi:pulumi:Stack": ["gatehouse-test"],
    "random:index/randomBytes:RandomBytes": ["cluster-token"],
    "random:index/randomPassword:RandomPassword": [
        "haproxy-stats-password",
        "cluster-root",
        ...ofEach(ofEach(["cluster"], "app-webapp", "balancer", "nodes"), "generation-1", "generation-2"),
    ],
    "tls:index/certRequest:CertRequest": ofEach(certified(), "request"),
    "tls:index/locallySignedCert:LocallySignedCert": ofEach(certified(), "certificate"),
    "tls:index/privateKey:PrivateKey": [
        "machines-operator",
        "snapshots-key",
        ...ofEach(machines, "host-key"),
        ...ofEach([...generations(), ...certified()], "key"),
    ],
    "tls:index/selfSignedCert:SelfSignedCert": ofEach([...generations(), "snapshots"], "certificate"),
};

function certified(): string[] {
    return [
        ...ofEach(["etcd-clients-ca"], ...ofEach(members, "server"), ...[...machines, "operators"]),
        ...ofEach(["etcd-peers-ca"], ...members),
    ];
}

function generations(): string[] {
    return ofEach(["etcd-clients-ca", "etcd-peers-ca"], "generation-1");
}

const all = (run: Run, type: string) => run.resources.filter((resource) => resource.type === type);
const update = (settings: Record<string, unknown> = {}, last?: Record<string, unknown>) =>
    runProgram({ lab: "etcd", ...settings }, { preview: false, computed, last });

describe("the program as the etcd lab", function () {
    this.timeout("2m");

    let preview: Run;
    let first: Run;
    before(async () => {
        preview = await runProgram({ lab: "etcd" }, { preview: true, computed });
        first = await update();
    });

    it("registers exactly these resources, in a first preview as well, where everything is unknown", () => {
        const whole = Object.entries(expected).flatMap(([type, names]) =>
            names.map((name) => `${type} ${name}`),
        );
        assert.deepEqual(registered(first), whole.sort());
        assert.deepEqual(registered(preview), registered(first));
        assert.equal(preview.outputs["urls"]?.known, false);
        assert.equal(first.outputs["urls"]?.known, true);
    });

    it("nests everything below the lab", () => {
        for (const [urn, top] of outermost(first)) {
            assert.equal(top.type, "gatehouse:labs:EtcdLab", `${urn} is outside the lab`);
        }
    });

    it("gives its Docker objects the names that set-up has looked for, labels, and ports on 127.0.0.1 only", () => {
        const wanted = wantedObjects("test", parseConfig({ lab: "etcd" }));
        assert.deepEqual(
            wanted.map(({ kind, name }) => `${kind} ${name}`).sort(),
            dockerObjects(first)
                .filter((each) => !/-docker-[0-9a-f]{12}$/.test(each))
                .sort(),
        );
        for (const kind of ["network:Network", "volume:Volume", "container:Container"]) {
            for (const object of all(first, `docker:index/${kind}`)) {
                assert.deepEqual(ownerOf(object), ["gatehouse", "test"], object.name);
                const ports = (object.inputs["ports"] ?? []) as { ip: string }[];
                assert.ok(
                    ports.every(({ ip }) => ip === "127.0.0.1"),
                    object.name,
                );
            }
        }
    });

    for (const [kind, run] of [
        ["an update", () => first],
        ["a preview", () => preview],
    ] as const) {
        it(`keeps secrets out of every input and output that is not secret, in ${kind}`, () => {
            const holders = run().resources.filter(({ inputs }) => secretsIn(inputs).length > 0);
            assert.ok(kind === "a preview" || holders.length > 30, `${holders.length} hold secrets`);
            holders.forEach(assertSecretsMarked);
            const secrets = Object.entries(run().outputs).filter(([, { secret }]) => secret);
            assert.deepEqual(
                secrets.map(([name]) => name),
                ["environment", "snapshots"],
            );
            const open = Object.values(run().outputs).filter(({ secret }) => !secret);
            assert.deepEqual(secretsIn(open.map(({ value }) => value)), []);
        });
    }

    it("lets all that lives on the machines vanish with the network they are in", () => {
        const [network] = all(first, "docker:index/network:Network");
        const theirs = all(first, "command:remote:Command").filter(({ name }) => !name.endsWith("-ready"));
        assert.equal(theirs.length, 3 + 3 + 4 * 6);
        for (const { urn, deletedWith } of theirs) {
            assert.equal(deletedWith, network!.urn, urn);
        }
    });

    it("touches no other machine when one comes, but for the plan and who is asked whether all is ready", async () => {
        const more = await update({
            machines: { web: { count: 3, metadata: { type: "webserver" } } },
        });
        assert.deepEqual(
            differing(first, more).filter((each) => !each.includes("web-3")),
            ["command:local:Command webapp-ready", "command:remote:Command cluster-plan"],
        );
    });

    it("says what its store must not lose, and refuses that", async () => {
        const cluster = first.outputs["cluster"]?.value;
        assert.deepEqual(cluster, { lab: "etcd", stack: "test", subnet: "10.225.0.0/24", passwords: 1 });
        await assert.rejects(
            update({ network: { subnet: "10.9.0.0/24" } }, { cluster }),
            /gatehouse:network\.subnet: 10\.9\.0\.0\/24, but the machines are in 10\.225\.0\.0\/24/,
        );
    });
});
