import type { Root } from "./node-files";

/**
 * An instance `app@NAME-PORT`: answers HTTP with its name, what was asked for, and the Host that it was asked by; at /login
 * it makes a session, and it says which cookies it saw. To what does not look like HTTP it says `NAME: ` and the line that
 * it got.
 */
const app = `
import socketserver, sys
name, port = sys.argv[1].rsplit("-", 1)
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode().strip()
        if " HTTP/1." not in line:
            self.wfile.write((name + ": " + line + "\\n").encode())
            return
        host = cookie = ""
        while (header := self.rfile.readline().decode().strip()):
            if header.lower().startswith("host:"):
                host = header[5:].strip()
            if header.lower().startswith("cookie:"):
                cookie = header[7:].strip()
        body = (name + " " + line.split()[1] + " " + host + "\\n").encode()
        session = b"\\r\\nSet-Cookie: JSESSIONID=" + name.encode() + b"s" if line.split()[1] == "/login" else b""
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nX-Instance: " + name.encode()
            + session + b"\\r\\nX-Cookie: " + cookie.encode()
            + b"\\r\\nContent-Length: " + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
Server(("0.0.0.0", int(port)), Handler).serve_forever()
`;

const unit = `[Service]
ExecStart=python3 /opt/app.py %i
Restart=always
`;

export function putApps(root: Root, ...instances: string[]): void {
    root.write("opt/app.py", app);
    root.write("etc/systemd/system/app@.service", unit);
    for (const instance of instances) {
        wanted(root, `app@${instance}.service`, "app@.service");
    }
}

/** A Consul server that knows nobody without a token; its data and the services of a file outlive a reboot. */
export function putConsul(
    root: Root,
    args: { address: string; management: string; balancer: string; services: object[] },
): void {
    const configuration = {
        server: true,
        bootstrap_expect: 1,
        data_dir: "/var/lib/consul-test",
        datacenter: "dc1",
        node_name: "node-1",
        bind_addr: args.address,
        client_addr: "127.0.0.1",
        acl: {
            enabled: true,
            default_policy: "deny",
            tokens: {
                initial_management: args.management,
                agent: args.management,
                config_file_service_registration: args.management,
                dns: args.balancer,
            },
        },
        performance: { raft_multiplier: 1 },
        disable_update_check: true,
        dns_config: { only_passing: true },
        services: args.services,
    };
    root.write("etc/consul-test/consul.json", JSON.stringify(configuration));
    putService(root, "consul", "consul agent -config-dir=/etc/consul-test");
}

/** A Nomad server whose API speaks TLS alone. */
export function putNomad(root: Root, tls: { ca: string; certificate: string; key: string }): void {
    const folder = "/etc/nomad-test";
    const configuration = {
        data_dir: "/var/lib/nomad-test",
        bind_addr: "127.0.0.1",
        advertise: { http: "127.0.0.1", rpc: "127.0.0.1", serf: "127.0.0.1" },
        server: { enabled: true, bootstrap_expect: 1 },
        tls: {
            http: true,
            ca_file: `${folder}/ca.pem`,
            cert_file: `${folder}/cert.pem`,
            key_file: `${folder}/key.pem`,
        },
        consul: { client_auto_join: false, server_auto_join: false, auto_advertise: false },
        disable_update_check: true,
    };
    root.write(`${folder}/nomad.json`, JSON.stringify(configuration));
    root.write(`${folder}/ca.pem`, tls.ca);
    root.write(`${folder}/cert.pem`, tls.certificate);
    root.write(`${folder}/key.pem`, tls.key, 0o600);
    putService(root, "nomad", `nomad agent -config=${folder}/nomad.json`);
}

export function putService(root: Root, name: string, command: string): void {
    root.write(
        `etc/systemd/system/${name}.service`,
        `[Service]\nExecStart=${command}\nRestart=always\nRestartSec=1\n`,
    );
    wanted(root, `${name}.service`, `${name}.service`);
}

function wanted(root: Root, name: string, unit: string): void {
    root.link(`etc/systemd/system/multi-user.target.wants/${name}`, `/etc/systemd/system/${unit}`);
}
