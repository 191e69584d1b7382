import * as assert from "node:assert/strict";

import { differing, runProgram } from "../support/mocks";
import { listed, ofEach, ofType } from "./expectations";
import { computed } from "./providers";
import { sameForAll } from "./same-for-all";

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

const update = (settings: Record<string, unknown> = {}, last?: Record<string, unknown>) =>
    runProgram({ lab: "etcd", ...settings }, { preview: false, computed, last });

describe("the program as the etcd lab", function () {
    this.timeout("2m");

    const runs = sameForAll({
        name: "etcd",
        component: "EtcdLab",
        resources: listed(expected),
        holders: 31,
        secrets: ["environment", "snapshots"],
    });

    it("lets all that lives on the machines vanish with the network they are in", () => {
        const [network] = ofType(runs.first, "docker:index/network:Network");
        const theirs = ofType(runs.first, "command:remote:Command").filter(
            ({ name }) => !name.endsWith("-ready"),
        );
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
            differing(runs.first, more).filter((each) => !each.includes("web-3")),
            ["command:local:Command webapp-ready", "command:remote:Command cluster-plan"],
        );
    });

    it("says what its store must not lose, and refuses that", async () => {
        const cluster = runs.first.outputs["cluster"]?.value;
        assert.deepEqual(cluster, { lab: "etcd", stack: "test", subnet: "10.225.0.0/24", passwords: 1 });
        await assert.rejects(
            update({ network: { subnet: "10.9.0.0/24" } }, { cluster }),
            /gatehouse:network\.subnet: 10\.9\.0\.0\/24, but the machines are in 10\.225\.0\.0\/24/,
        );
    });
});
