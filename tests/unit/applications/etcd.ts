import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

import type { EtcdClient } from "../../../components/clusters/etcd/client";
import { type Agent, findTool, freePorts, launch } from "../../support/agents";
import { output } from "../../support/command";
import { type Certificates, makeCertificates } from "../../support/secure-agents";

export interface Entry {
    value: string;
    /** Changes when the key was away in between. */
    created: number;
    lease: string;
}

/** A real etcd of one member on loopback, with TLS, client certificates and users. */
export class TestEtcd {
    readonly root = "password-of-root";

    private constructor(
        readonly agent: Agent,
        readonly certificates: Certificates,
        private readonly machine: { certificateFile: string; keyFile: string },
    ) {}

    static async start(): Promise<TestEtcd> {
        const certificates = await makeCertificates();
        const machine = await machineCertificate(certificates);
        const ports = await freePorts(["client", "peer"]);
        const address = `https://127.0.0.1:${ports.client}`;
        const peer = `http://127.0.0.1:${ports.peer}`;
        const { caFile, certificateFile, keyFile } = certificates;
        const configure = (folder: string): string[] => [
            ...[
                "--name=test",
                `--data-dir=${join(folder, "data")}`,
                "--log-level=warn",
                "--client-cert-auth",
            ],
            ...[`--listen-client-urls=${address}`, `--advertise-client-urls=${address}`],
            ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
            ...[`--initial-cluster=test=${peer}`, "--unsafe-no-fsync", "--bcrypt-cost=4"],
            ...[`--trusted-ca-file=${caFile}`, `--cert-file=${certificateFile}`, `--key-file=${keyFile}`],
        ];
        const tls = [`--endpoints=${address}`, `--cacert=${caFile}`];
        const ready = async (): Promise<void> => {
            const own = [...tls, `--cert=${certificateFile}`, `--key=${keyFile}`];
            await output(findTool("etcdctl"), ["endpoint", "status", "--command-timeout=2s", ...own]);
        };
        return new TestEtcd(await launch("etcd", ports, address, configure, ready), certificates, machine);
    }

    /** Users as the cluster's own scripts make them: one may write below the application's prefix. */
    async enableUsers(application: string, password: string): Promise<void> {
        const role = `app-${application}`;
        await this.ctl("role", "add", role);
        await this.ctl(
            "role",
            "grant-permission",
            "--prefix=true",
            role,
            "readwrite",
            `/apps/${application}/`,
        );
        await this.ctl("user", "add", `${role}:${password}`);
        await this.ctl("user", "grant-role", role, role);
        await this.ctl("user", "add", `root:${this.root}`);
        await this.ctl("user", "grant-role", "root", "root");
        await this.ctl("auth", "enable");
        this.asRoot = [`--user=root:${this.root}`];
    }
    private asRoot: string[] = [];

    async changePassword(password: string): Promise<void> {
        await this.ctlWith(password, "user", "passwd", "--interactive=false", "app-webapp");
    }

    ctl(...args: string[]): Promise<string> {
        return this.ctlWith("", ...args);
    }

    private ctlWith(input: string, ...args: string[]): Promise<string> {
        const { caFile, certificateFile, keyFile } = this.certificates;
        const tls = [`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`];
        const endpoint = `--endpoints=${this.agent.address}`;
        return output(findTool("etcdctl"), [endpoint, ...tls, ...this.asRoot, ...args], { input });
    }

    /** Undefined without the key. */
    async entry(key: string): Promise<Entry | undefined> {
        const text = await this.ctl("get", "--write-out=json", key);
        // Leases are longer than JavaScript's numbers.
        const lease = /"lease":(\d+)/.exec(text)?.[1] ?? "";
        const { kvs } = JSON.parse(text) as { kvs?: { value: string; create_revision: number }[] };
        return kvs?.map(({ value, create_revision }) => ({
            value: Buffer.from(value, "base64").toString(),
            created: create_revision,
            lease,
        }))[0];
    }

    client(password: string, endpoints: readonly string[] = [this.agent.address]): EtcdClient {
        const { caFile } = this.certificates;
        return { endpoints, caFile, ...this.machine, user: "app-webapp", password };
    }
}

/** A client's. Without a common name: etcd's gateway refuses all that have one, since it could not take it for a user. */
async function machineCertificate(
    authority: Certificates,
): Promise<{ certificateFile: string; keyFile: string }> {
    const cwd = authority.folder;
    const [certificateFile, keyFile] = [join(cwd, "machine.pem"), join(cwd, "machine-key.pem")];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
    await output("openssl", ["req", "-new", ...key, "-subj", "/O=web-1", "-out", "machine.csr"], { cwd });
    const ca = [
        "-CA",
        authority.caFile,
        "-CAkey",
        "consul-agent-ca-key.pem",
        "-CAcreateserial",
        "-days",
        "1",
    ];
    await output("openssl", ["x509", "-req", "-in", "machine.csr", ...ca, "-out", certificateFile], { cwd });
    return { certificateFile, keyFile };
}

/** A way to a member that can be made silent: it still takes connections, as a machine that hangs does. */
export class Way {
    private silent = false;
    private readonly sockets = new Set<Socket>();

    private constructor(
        private readonly server: Server,
        readonly port: number,
    ) {}

    static async to(port: number): Promise<Way> {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const way = new Way(server, (server.address() as { port: number }).port);
        server.on("connection", (socket) => way.take(socket, port));
        return way;
    }

    hush(silent: boolean): void {
        this.silent = silent;
    }

    private take(socket: Socket, port: number): void {
        const onward = createConnection(port, "127.0.0.1");
        const pass = (from: Socket, to: Socket): void => {
            this.sockets.add(from);
            from.on("data", (chunk) => void (this.silent || to.write(chunk)));
            from.on("close", () => to.destroy());
            from.on("error", () => to.destroy());
        };
        pass(socket, onward);
        pass(onward, socket);
    }

    close(): void {
        this.server.close();
        this.sockets.forEach((each) => each.destroy());
    }
}
