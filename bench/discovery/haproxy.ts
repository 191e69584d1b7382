import { discoverySettings } from "../../tests/unit/balancers/container";
import { tagOf } from "../../tests/unit/balancers/image";
import { defaultItems, renderHaproxy } from "../../tests/unit/balancers/render";
import { withFiles } from "../proxies/job";
import { ports, service, type Consul } from "./consul";
import type { Form } from "./form";

const listen = { http: 80, stats: 1936 };

/** HAProxy with the configuration of the `nomad` lab's job, rendered by the same engine from the same file. */
function job(name: string, discovery: "dns" | "events"): Form {
    return {
        name,
        instances: "plain",
        containers: [discovery],
        start: async (stage, consul) => {
            const files = {
                "/secrets/haproxy.cfg": await configuration(consul, discovery),
                "/secrets/discovery.json": JSON.stringify(
                    discoverySettings({ consul: { url: `http://${consul.address}:${ports.http}` } }),
                ),
            };
            const { url } = await stage.run(
                {
                    name: discovery,
                    image: tagOf("haproxy"),
                    entrypoint: "/bin/sh",
                    ...withFiles(files, "/usr/local/bin/haproxy-run /secrets/haproxy.cfg"),
                },
                {
                    port: listen.http,
                    options: ["--tmpfs", "/secrets", "--tmpfs", "/var/lib/haproxy/state:mode=777"],
                },
            );
            return url;
        },
    };
}

function configuration(consul: Consul, discovery: string): Promise<string> {
    return renderHaproxy({
        items: { ...defaultItems, discovery, health_path: "/" },
        ports: listen,
        consulDns: `${consul.address}:${ports.dns}`,
    });
}

export const events = job("HAProxy, events", "events");
export const dns = job("HAProxy, DNS every 100 ms", "dns");

/** HAProxy and consul-template as the `template` lab has them, with its guard. */
export const template: Form = {
    name: "HAProxy, consul-template and guard",
    instances: "plain",
    containers: ["templated", "templater"],
    start: async (stage, consul) => {
        const { url } = await stage.run(
            {
                name: "templated",
                image: tagOf("haproxy"),
                command: ["/run/haproxy/accepted.cfg", "/etc/haproxy/bootstrap.cfg"],
            },
            { port: listen.http, options: ["--volume", "/run/haproxy"] },
        );
        await stage.run(
            {
                name: "templater",
                image: tagOf("templater"),
                env: {
                    CONSUL_HTTP_ADDR: `http://${consul.address}:${ports.http}`,
                    SERVICES: service,
                    HEALTH_PATH: "/",
                    STATS_PASSWORD: "bench",
                },
            },
            { options: ["--volumes-from", stage.container("templated")] },
        );
        return url;
    },
};
