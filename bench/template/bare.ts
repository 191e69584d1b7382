import { docker } from "../../tests/support/docker";
import { imageReference } from "../../toolchain/images";

const port = 8081;

/**
 * What a careful person would start from: consul-template and HAProxy in one container, a reload for each change, no
 * `wait` and no guard. Returns the address that it is published under.
 */
export async function startBare(args: {
    name: string;
    label: string;
    network: string;
    consul: string;
    service: string;
}): Promise<string> {
    const script = [
        `printf %s "$TEMPLATE" > /tmp/haproxy.ctmpl`,
        "consul-template -once -template /tmp/haproxy.ctmpl:/tmp/haproxy.cfg",
        "haproxy -W -p /tmp/haproxy.pid -f /tmp/haproxy.cfg &",
        `exec consul-template -template "/tmp/haproxy.ctmpl:/tmp/haproxy.cfg:kill -USR2 \\$(head -n 1 /tmp/haproxy.pid)"`,
    ].join("\n");
    await docker(
        ...["run", "--detach", "--name", args.name, "--label", `dev.gatehouse.stack=${args.label}`],
        ...["--network", args.network, "--publish", `127.0.0.1::${port}`, "--user", "0"],
        ...["--env", `CONSUL_HTTP_ADDR=${args.consul}`, "--env", `TEMPLATE=${template(args.service)}`],
        ...["--entrypoint", "/bin/sh", imageReference("consul-template-base"), "-c", script],
    );
    const published = await docker("port", args.name, `${port}/tcp`);
    return `http://127.0.0.1:${published.trim().split(":").at(-1)}`;
}

function template(service: string): string {
    return [
        "global",
        "    maxconn 8000",
        "    hard-stop-after 15s",
        "defaults",
        "    mode http",
        "    timeout connect 1s",
        "    timeout client 30s",
        "    timeout server 30s",
        "frontend http",
        `    bind :${port}`,
        "    default_backend web",
        "backend web",
        "    balance roundrobin",
        `{{ range service "${service}" }}    server {{ .ID }} {{ .Address }}:{{ .Port }}`,
        "{{ end }}",
    ].join("\n");
}
