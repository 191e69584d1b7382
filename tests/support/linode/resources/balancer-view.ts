import type { Balancer } from "../driver";
import { firewallOf } from "../machine";
import type { Platform } from "../platform";

/** A NodeBalancer as the driver needs it. */
export function balancerOf(platform: Platform, id: number): Balancer {
    const { label, region, ipv4 } = platform.balancers.get(id);
    const ports = platform.ports.all().filter((port) => port.nodebalancer_id === id);
    return {
        id,
        label,
        region,
        address: ipv4,
        firewall: firewallOf(platform, "nodebalancer", id),
        ports: ports.map((port) => ({
            port: port.port,
            protocol: port.protocol,
            algorithm: port.algorithm,
            stickiness: port.stickiness,
            proxyProtocol: port.proxy_protocol,
            check: {
                kind: port.check,
                path: port.check_path,
                body: port.check_body,
                interval: port.check_interval,
                timeout: port.check_timeout,
                attempts: port.check_attempts,
                passive: port.check_passive,
            },
            nodes: platform.nodes
                .all()
                .filter(({ config_id }) => config_id === port.id)
                .map(({ id: nodeId, label: name, address, weight, mode }) => ({
                    id: nodeId,
                    label: name,
                    address,
                    weight,
                    mode,
                })),
        })),
    };
}
