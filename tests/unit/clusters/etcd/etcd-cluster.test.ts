import * as assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import type { EtcdOperators } from "../../../../components/clusters/etcd/etcd-cluster";
import { EtcdCluster, type EtcdClusterArgs } from "../../../../components/clusters/etcd/etcd-cluster";
import type { Machine } from "../../../../components/machines/machine";
import { unpacked } from "../../../support/packed";

interface Made {
    type: string;
    name: string;
    inputs: Record<string, unknown>;
}

const command = "command:remote:Command";

describe("an etcd cluster", () => {
    let made: Made[];
    beforeEach(async () => {
        made = [];
        await pulumi.runtime.setMocks({
            newResource: ({ type, name, inputs }) => {
                made.push({ type, name, inputs });
                const secret = { hex: `${name}-secret`, result: `${name}-secret` };
                const pem = {
                    privateKeyPem: `${name}-secret`,
                    certRequestPem: "request",
                    certPem: `BEGIN CERTIFICATE ${name}`,
                    validityEndTime: "2036-01-01T00:00:00Z",
                    stdout: "",
                };
                return { id: name, state: { ...inputs, ...secret, ...pem } };
            },
            call: ({ inputs }) => inputs,
        });
    });

    const machine = (name: string, index: number): Machine => ({
        name,
        roles: [],
        privateAddress: pulumi.output(`10.219.0.${10 + index}`),
        publicAddress: pulumi.output("127.0.0.1"),
        publicInterface: false,
        connection: pulumi.output({ host: "h", port: 22, user: "u", privateKey: "k", hostKey: "h" }),
        instanceId: pulumi.output(`${name}-instance`),
        ready: pulumi.output({ bootSeconds: 1 }),
        endpoint: () => pulumi.output({ host: "127.0.0.1", port: 2379 }),
        resource: new pulumi.ComponentResource("test:Machine", name),
    });
    const args = (count: number): EtcdClusterArgs => ({
        members: Array.from({ length: count }, (_, index) => machine(`etcd-${index + 1}`, index + 1)),
        certificates: {
            lifetimeDays: 90,
            earlyRenewalDays: 30,
            rotation: 1,
            authorities: { signing: 1, trusted: [1] },
        },
        passwords: { rotation: 1 },
        applications: ["webapp"],
    });
    const settled = <T>(output: pulumi.Output<T>): Promise<T> =>
        new Promise((resolve) => pulumi.unsecret(output).apply(resolve));
    const named = (name: string): Made => made.find((each) => each.name === name)!;
    const names = (type: string): string[] =>
        made
            .filter((each) => each.type === type)
            .map(({ name }) => name)
            .sort();

    /** The whole cluster with one other machine, when all of it is registered. */
    const build = async (overrides: Partial<EtcdClusterArgs> = {}): Promise<EtcdCluster> => {
        const cluster = new EtcdCluster("etcd", { ...args(3), ...overrides });
        const rest = cluster.complete([]);
        await settled(cluster.operators);
        await settled(pulumi.all(rest.map(({ stdout }) => stdout)));
        return cluster;
    };

    it("has for each member what makes it one, and for all the users and the plan", async () => {
        await build();
        const each = ["configure", "gate", "presence", "seed", "turn"];
        assert.deepEqual(names(command), [
            ...["etcd-1", "etcd-2", "etcd-3"].flatMap((name) => each.map((step) => `${name}-${step}`)),
            "etcd-access",
            "etcd-access-rest",
            "etcd-plan",
        ]);
        assert.deepEqual(names("random:index/randomPassword:RandomPassword"), [
            "etcd-app-webapp-generation-1",
            "etcd-app-webapp-generation-2",
            "etcd-balancer-generation-1",
            "etcd-balancer-generation-2",
            "etcd-nodes-generation-1",
            "etcd-nodes-generation-2",
            "etcd-root",
        ]);
    });

    it("gives a machine its seed once, and a lone expendable member's successor another", async () => {
        await build();
        const { inputs } = named("etcd-2-seed");
        assert.deepEqual(
            [inputs["triggers"], inputs["update"], inputs["stdin"]],
            [[], "true", "etcd-token-secret"],
        );
        assert.match(String(inputs["create"]), /mv \/var\/lib\/gatehouse\/etcd-seed\.draft/);
        made = [];
        await build({ ...args(1), expendable: true });
        assert.deepEqual(named("etcd-1-seed").inputs["triggers"], ["etcd-1-instance"]);
    });

    it("tells nobody but members root's password, and shows no secret in a command", async () => {
        const cluster = await build();
        const texts = made.filter(({ type }) => type === command).map(({ inputs }) => inputs);
        for (const { create, delete: end } of texts) {
            assert.doesNotMatch(`${create} ${end}`, /-secret/);
        }
        const stdin = named("etcd-1-configure").inputs["stdin"] as { value: string };
        assert.match(unpacked(stdin.value), /etcd-root-secret/);
        const files = await settled(cluster.clientFiles(machine("web-1", 11)));
        assert.deepEqual(
            files.map(({ path, mode, owner }) => [path, mode, owner]),
            ["client-ca.pem", "client.pem", "client-key.pem"].map((name) => [
                `/etc/etcd/${name}`,
                "0640",
                "root:etcd",
            ]),
        );
        const { user, password, endpoints } = cluster.account("app-webapp");
        assert.equal(user, "app-webapp");
        assert.equal(await settled(password), "etcd-app-webapp-generation-1-secret");
        assert.deepEqual(
            await settled(endpoints),
            [1, 2, 3].map((each) => `https://10.219.0.${10 + each}:2379`),
        );
        assert.throws(
            () => cluster.account("app-other"),
            /app-other is no role of etcd; name its application/,
        );
    });

    it("gives certificates no common name that etcd's gateway would take for a user's", async () => {
        const cluster = await build();
        await settled(cluster.clientFiles(machine("web-1", 11)));
        const subjects = made
            .filter(({ type, name }) => type.endsWith(":CertRequest") && name.startsWith("etcd-clients-ca-"))
            .map(({ name, inputs }) => [name, Object.keys(inputs["subject"] as object)]);
        assert.equal(subjects.length, 3 * 2 + 2);
        for (const [name, fields] of subjects) {
            assert.deepEqual(fields, ["organization"], String(name));
        }
        const { inputs } = named("etcd-clients-ca-etcd-1-server-request");
        assert.deepEqual(inputs["ipAddresses"], ["127.0.0.1", "10.219.0.11"]);
    });

    it("lets operators in at the first member's published port", async () => {
        const operators: EtcdOperators = await settled((await build()).operators);
        assert.equal(operators.endpoint, "https://127.0.0.1:2379");
        assert.equal(operators.password, "etcd-root-secret");
    });

    it("refuses what makes no cluster", () => {
        assert.throws(
            () => new EtcdCluster("etcd", args(2)),
            /members: must be 1, 3 or 5 members, but are 2/,
        );
        assert.throws(
            () => new EtcdCluster("etcd", { ...args(3), expendable: true, passwords: { rotation: 0 } }),
            /passwords\.rotation: must be a whole number[^]*expendable: is for one member alone/,
        );
    });
});
