import * as assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";

import { consulAcl, consulAclCommand } from "../../../components/clusters/consul-acl";
import { findTool } from "../../support/agents";
import { run } from "../../support/command";
import { eventually } from "../../support/poll";
import { type Answer, type Member, overSsh, SecureConsul } from "./secure-consul";
import type { IdentityProvider } from "./secure-identities";

describe("workloads at an encrypted Consul (row 6)", function () {
    this.timeout(60_000);
    let cluster: SecureConsul;
    let server: Member;
    let nomad: IdentityProvider;

    before(async () => {
        cluster = await SecureConsul.create("127.0.46", 1, 0);
        nomad = await cluster.identityProvider("127.0.46");
        server = await cluster.start(cluster.servers[0]!);
        const acl = await overSsh(
            consulAclCommand(consulAcl(cluster.aclArgs(nomad.url)), { api: server.api }),
        );
        assert.equal(acl.code, 0, acl.output);
    });
    after(async () => {
        nomad?.close();
        await server?.stop();
        cluster?.close();
    });

    const login = (claims: object, key?: IdentityProvider["key"]): Promise<Answer> =>
        server.ask("/v1/acl/login", {
            method: "POST",
            token: "",
            body: { AuthMethod: "nomad-workloads", BearerToken: nomad.sign(claims, key) },
        });
    const service = { nomad_namespace: "default", nomad_job_id: "web", nomad_service: "web" };
    const task = { nomad_namespace: "default", nomad_job_id: "web", nomad_task: "server" };

    it("get a token that is good for their own service, for an identity that Nomad signed", async () => {
        const { json, text } = await login({ aud: ["consul.io"], ...service });
        assert.ok(json?.SecretID, text);
        assert.deepEqual(json.ServiceIdentities, [{ ServiceName: "web" }]);
        const register = (Name: string) =>
            server.ask("/v1/agent/service/register", {
                method: "PUT",
                token: json.SecretID,
                body: { Name },
            });
        assert.equal((await register("web")).status, 200);
        assert.equal((await register("other")).status, 403);
    });

    it("start their sidecars with that token, as Nomad does, over gRPC on loopback", async () => {
        const { json } = await login({ aud: ["consul.io"], ...service });
        const token = json.SecretID as string;
        const registered = await server.ask("/v1/agent/service/register", {
            method: "PUT",
            token,
            body: { Name: "web", Port: 8080, Connect: { SidecarService: {} } },
        });
        assert.equal(registered.status, 200, registered.text);
        const local = new URL(server.api).hostname;
        const bootstrap = await run(
            findTool("consul"),
            [
                ...["connect", "envoy", "-bootstrap", "-proxy-id", "web-sidecar-proxy"],
                ...["-grpc-addr", `${local}:8502`, "-http-addr", server.api],
            ],
            { env: { ...process.env, CONSUL_HTTP_TOKEN: token } },
        );
        assert.equal(bootstrap.code, 0, bootstrap.output);
        const [cluster] = JSON.parse(bootstrap.stdout).static_resources.clusters;
        const [endpoint] = cluster.loadAssignment.endpoints[0].lbEndpoints;
        assert.deepEqual(endpoint.endpoint.address.socket_address, { address: local, port_value: 8502 });
        assert.equal(cluster.transport_socket, undefined, "no TLS on the way to the agent");
    });

    it("reach each other by intention alone", async () => {
        const allowed = async (): Promise<boolean> =>
            (await server.ask("/v1/connect/intentions/check?source=dashboard&destination=web")).json.Allowed;
        assert.equal(await allowed(), false);
        const intention = {
            Kind: "service-intentions",
            Name: "web",
            Sources: [{ Name: "dashboard", Action: "allow" }],
        };
        await server.ask("/v1/config", { method: "PUT", body: intention });
        assert.equal(await allowed(), true);
    });

    it("read the catalogue from their tasks, and only in a namespace that has a role", async () => {
        const { json, text } = await login({ aud: ["consul.io"], ...task });
        assert.ok(json?.SecretID, text);
        assert.deepEqual(
            json.Roles.map(({ Name }: { Name: string }) => Name),
            ["nomad-default-tasks"],
        );
        await eventually("the catalogue has the service", async () => {
            const read = await server.ask("/v1/catalog/services", { token: json.SecretID });
            assert.ok("web" in read.json, read.text);
        });
        const elsewhere = await login({ aud: ["consul.io"], ...task, nomad_namespace: "elsewhere" });
        assert.equal(elsewhere.status, 403, elsewhere.text);
    });

    it("are refused with another audience, another signer or no claims", async () => {
        const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
        for (const [why, answer] of [
            ["audience", await login({ aud: ["vault.io"], ...service })],
            ["signer", await login({ aud: ["consul.io"], ...service }, other)],
        ] as const) {
            assert.ok(answer.status >= 400, `${why}: ${answer.text}`);
            assert.doesNotMatch(answer.text, /SecretID/);
        }
    });
});
