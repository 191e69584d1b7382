import type { FirewallRules } from "@linode/api-v4";

/** What a driver needs to know of an instance to make a machine of it. */
export interface Machine {
    id: number;
    label: string;
    region: string;
    image: string | null;
    vcpus: number;
    /** MiB. */
    memory: number;
    /** Decoded. Absent when the instance has none. */
    userData?: Buffer;
    /** For root. */
    authorizedKeys: readonly string[];
    addresses: MachineAddresses;
    /** The rules of the firewall that protects the machine; absent when none does. */
    firewall?: FirewallRules;
}

export interface MachineAddresses {
    public: string;
    /** Of 192.168.128.0/17; what NodeBalancers reach the machine by. */
    private?: string;
    vpc: { vpcId: number; subnetId: number; address: string; range: string }[];
}

/** One listening port of a NodeBalancer and where it sends what arrives. */
export interface BalancerPort {
    port: number;
    protocol: string;
    algorithm: string;
    stickiness: string;
    proxyProtocol: string;
    check: Check;
    nodes: { id: number; label: string; address: string; weight: number; mode: string }[];
}

/** How a balancer finds out whether its nodes are well. */
export interface Check {
    kind: string;
    path: string;
    body: string;
    /** Seconds. */
    interval: number;
    /** Seconds. */
    timeout: number;
    attempts: number;
    /** Whether a failed request takes its node out, too. */
    passive: boolean;
}

export interface Balancer {
    id: number;
    label: string;
    region: string;
    address: string;
    ports: BalancerPort[];
    /** The rules of the firewall in front of it; absent when there is none. */
    firewall?: FirewallRules;
}

export interface Subnet {
    id: number;
    vpcId: number;
    range: string;
}

/**
 * What happens outside the API's books: machines, networks and balancers. The emulator calls one method at a time for a
 * thing, and always `destroy` for what it booted. A method that throws fails the event that it belongs to.
 */
export interface Driver {
    createSubnet(subnet: Subnet): Promise<void>;
    removeSubnet(subnet: Subnet): Promise<void>;
    /** Starts a machine for the first time or again; its disk and its addresses are kept from one boot to the next. */
    boot(machine: Machine): Promise<void>;
    shutdown(machine: Machine): Promise<void>;
    destroy(machine: Machine): Promise<void>;
    /** The rules of a machine's firewall have changed. It may be running or not. */
    protect(machine: Machine): Promise<void>;
    /** Makes a balancer be as described. */
    balance(balancer: Balancer): Promise<void>;
    removeBalancer(balancer: Balancer): Promise<void>;
    /** Whether a node of a balancer takes traffic; nothing when the driver does not know. */
    nodeUp(balancer: Balancer, port: number, nodeId: number): Promise<boolean | undefined>;
    /** Removes whatever is left. */
    close(): Promise<void>;
}

/** Does nothing: for tests of the API alone. */
export class NullDriver implements Driver {
    async createSubnet(): Promise<void> {}
    async removeSubnet(): Promise<void> {}
    async boot(): Promise<void> {}
    async shutdown(): Promise<void> {}
    async destroy(): Promise<void> {}
    async protect(): Promise<void> {}
    async balance(): Promise<void> {}
    async removeBalancer(): Promise<void> {}
    async nodeUp(): Promise<boolean | undefined> {
        return undefined;
    }
    async close(): Promise<void> {}
}
