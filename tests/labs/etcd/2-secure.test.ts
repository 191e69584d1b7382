import * as assert from "node:assert/strict";

import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import { lab, members, webservers } from "../../support/etcd-lab";

/** `curl` on a machine; prints the status and what curl complains about. */
const curl = async (machine: string, ...args: string[]): Promise<string> => {
    const command = ["curl", "--silent", "--show-error", "--max-time", "5", "--write-out", "%{http_code}"];
    return lab.on(machine, "sh", "-c", '"$@" 2>&1 || true', "sh", ...command, ...args);
};

describe("etcd lab: nobody without a certificate and a password", function () {
    this.timeout("5m");

    before("bring it up", () => lab.ensureUp());

    const credentials = [
        ...["--cacert", etcdClientFiles.caFile],
        ...["--cert", etcdClientFiles.certificateFile],
        ...["--key", etcdClientFiles.keyFile],
    ];
    const range = ["--data", '{"key":"L2FwcHMv","range_end":"L2FwcHMw"}'];

    it("takes no connection without a certificate of the lab's", async () => {
        for (const member of members) {
            const url = `https://${lab.address(member)}:2379/v3/kv/range`;
            assert.match(
                await curl("web-1", "--cacert", etcdClientFiles.caFile, ...range, url),
                /certificate required|alert|000/,
                member,
            );
            assert.match(
                await curl("web-1", ...range, url.replace("https", "http")),
                /000|400|reset/,
                member,
            );
        }
    });

    it("lets a certificate without a user read nothing", async () => {
        const url = `https://${lab.address("etcd-2")}:2379/v3/kv/range`;
        const answer = await curl("web-1", ...credentials, ...range, url);
        assert.match(answer, /user name is empty|permission denied/);
        assert.doesNotMatch(answer, /"kvs"/);
    });

    it("takes no peer that is none", async () => {
        // The machine's own certificate is one for clients.
        const url = `https://${lab.address("etcd-2")}:2380/members`;
        const flags = credentials.map((flag) => (flag === "--cacert" ? "--cacert" : flag));
        assert.match(await curl("web-1", "--insecure", ...flags, url), /alert|000/);
    });

    it("lets units write below their own name only, and the balancer write nothing", async () => {
        // Each machine has its own user's password, and nobody else's.
        const password = async (machine: string, pattern: string): Promise<string> =>
            (await lab.on(machine, "sh", "-c", pattern)).trim();
        const unit = await password("web-1", "cat /etc/gatehouse/applications/*.password");
        assert.ok(unit.length >= 20, "web-1 has no password");
        const as = (user: string, secret: string, on: string, ...command: string[]) =>
            lab.etcdctl(command, { user, password: secret, on }).catch((error: Error) => error.message);
        assert.match(await as("app-webapp", unit, "web-1", "put", "/apps/webapp/test", "x"), /OK/);
        assert.match(await as("app-webapp", unit, "web-1", "del", "/apps/webapp/test"), /1/);
        for (const key of ["/apps/webapp2/test", "/apps/webapp", "/gatehouse/turn", "/other"]) {
            assert.match(await as("app-webapp", unit, "web-1", "put", key, "x"), /permission denied/, key);
        }
        assert.match(await as("root", unit, "web-1", "get", "/apps/", "--prefix"), /authentication failed/);
        assert.match(
            await as("balancer", unit, "web-1", "get", "/apps/", "--prefix"),
            /authentication failed/,
        );
        const reader = await password(
            "balancer-1",
            `sed -n 's/^password *= *"\\(.*\\)"$/\\1/p' /etc/confd/confd.toml`,
        );
        assert.match(await as("balancer", reader, "balancer-1", "get", "/apps/", "--prefix"), /webapp-1/);
        assert.match(
            await as("balancer", reader, "balancer-1", "put", "/apps/webapp/test", "x"),
            /permission denied/,
        );
    });

    it("keeps keys and passwords for those who need them", async () => {
        for (const machine of [...members, ...webservers, "balancer-1"]) {
            const loose = await lab
                .on(
                    machine,
                    ...["find", "/etc/etcd", "/etc/gatehouse", "/etc/confd", "-type", "f", "-perm", "/o+r"],
                    ...[
                        "(",
                        "-name",
                        "*-key.pem",
                        "-o",
                        "-name",
                        "*password*",
                        "-o",
                        "-name",
                        "confd.toml",
                        ")",
                    ],
                )
                .catch((error: Error & { stdout?: string }) => error.stdout ?? "");
            assert.equal(loose.trim(), "", machine);
        }
    });
});
