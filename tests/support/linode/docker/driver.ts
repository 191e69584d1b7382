import * as assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { stringify } from "yaml";

import { dataSource } from "../../../../components/machines/docker-machine";
import { docker, removeLeftovers } from "../../docker";
import { eventually } from "../../poll";
import { systemdFlags } from "../../systemd-machine";
import { balancerSource, parseRange, privateRange, toAddress, toNumber } from "../addresses";
import type { Balancer, Driver, Machine, Subnet } from "../driver";
import { nodeStates, renderBalancer, statisticsSocket, type NodeState } from "./haproxy";
import { renderPacketFilter } from "./packet-filter";

export interface DockerDriverArgs {
    /** Names everything, and is the label `dev.gatehouse.stack` by which everything is removed. */
    name: string;
    /** What machines boot: an image of images/machine, whatever image the instance asks for. */
    machineImage: string;
    /** What NodeBalancers run: the image of images/haproxy-base. */
    balancerImage: string;
    /** The emulator's range of public addresses. No other network of the engine may overlap with it. */
    publicRange: string;
}

/** A network without a way out: the public interface alone leads to the emulated internet. */
const isolated = ["--internal"];

/** Seconds that a machine has for shutting down. */
const grace = "60";

/**
 * Makes Docker machines of instances. The emulated internet, the private network and each subnet are Docker networks, so
 * that one emulator at a time can use this driver. A machine's disk is its container, kept from one boot to the next.
 */
export class DockerDriver implements Driver {
    private ready?: Promise<void>;
    private nextBalancer = 1;
    private readonly balancers = new Map<number, string>();
    /** The last change of each balancer. */
    private readonly changes = new Map<number, Promise<void>>();
    /** The rules that a balancer's packet filter has. */
    private readonly filtered = new Map<number, string>();
    /** Of this computer on the emulated internet: what machines see an operator's calls come from. */
    readonly operatorAddress: string;

    constructor(private readonly args: DockerDriverArgs) {
        this.operatorAddress = toAddress((parseRange(args.publicRange)?.first ?? 0) + 1);
    }

    async createSubnet({ id, range }: Subnet): Promise<void> {
        await this.network(`subnet-${id}`, range, ...isolated);
    }

    async removeSubnet({ id }: Subnet): Promise<void> {
        await docker("network", "rm", this.nameOf(`subnet-${id}`));
    }

    async boot(machine: Machine): Promise<void> {
        await this.networks();
        const container = this.nameOf(`linode-${machine.id}`);
        if (!(await exists(container))) {
            await this.create(machine, container);
        }
        await docker("start", container);
        await this.protect(machine);
    }

    async shutdown({ id }: Machine): Promise<void> {
        await docker("stop", "--time", grace, this.nameOf(`linode-${id}`));
    }

    async destroy({ id }: Machine): Promise<void> {
        const container = this.nameOf(`linode-${id}`);
        if (await exists(container)) {
            await docker("rm", "--force", "--volumes", container);
            await docker("volume", "rm", "--force", container);
        }
    }

    async protect({ id, firewall }: Machine): Promise<void> {
        const container = this.nameOf(`linode-${id}`);
        if (await isRunning(container)) {
            await this.filter(container, renderPacketFilter(firewall));
        }
    }

    /** One change after the other, in the order of the API's books: nodes come side by side. */
    balance(balancer: Balancer): Promise<void> {
        return this.inTurn(balancer.id, () => this.rebalance(balancer));
    }

    private async rebalance(balancer: Balancer): Promise<void> {
        await this.networks();
        const container = this.nameOf(`nodebalancer-${balancer.id}`);
        const files = { "etc/haproxy/haproxy.cfg": renderBalancer(balancer) };
        if (await exists(container)) {
            await copy(container, files);
            await this.reload(balancer, container);
        } else {
            // Not "start": until it has its configuration, it has nothing to run.
            await docker(
                ...["create", "--name", container, ...this.labels(), "--network", this.nameOf("internet")],
                ...[
                    "--ip",
                    balancer.address,
                    "--user",
                    "root",
                    "--entrypoint",
                    "haproxy",
                    this.args.balancerImage,
                ],
                ...["-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"],
            );
            await docker(
                ...[
                    "network",
                    "connect",
                    "--ip",
                    this.sourceOf(balancer.id),
                    this.nameOf("private"),
                    container,
                ],
            );
            await copy(container, files);
            await docker("start", container);
        }
        const rules = renderPacketFilter(balancer.firewall);
        if (this.filtered.get(balancer.id) !== rules) {
            await this.filter(container, rules);
            this.filtered.set(balancer.id, rules);
        }
    }

    removeBalancer({ id }: Balancer): Promise<void> {
        return this.inTurn(id, async () => {
            this.filtered.delete(id);
            await docker("rm", "--force", "--volumes", this.nameOf(`nodebalancer-${id}`));
        });
    }

    private inTurn(balancerId: number, change: () => Promise<void>): Promise<void> {
        const before = this.changes.get(balancerId) ?? Promise.resolve();
        const now = before.catch(() => undefined).then(change);
        this.changes.set(balancerId, now);
        return now;
    }

    /** HAProxy hears nothing while it reloads, so that it may have to be told again. */
    private async reload({ id, ports }: Balancer, container: string): Promise<void> {
        const take = async (): Promise<void> => {
            await docker("kill", "--signal", "USR2", container);
            const isTaken = async (): Promise<void> => {
                for (const { port, nodes } of ports) {
                    const wanted = nodes.filter(({ mode }) => mode !== "reject").map((node) => node.id);
                    assert.deepEqual([...(await this.nodes(id, port)).keys()].sort(), wanted.sort());
                }
            };
            await eventually("it has them", isTaken, { within: 5 });
        };
        await eventually("a NodeBalancer takes its nodes", take, { within: 60 });
    }

    async nodeUp({ id }: Balancer, port: number, nodeId: number): Promise<boolean | undefined> {
        return (await this.nodes(id, port)).get(nodeId)?.up;
    }

    /** The nodes of a NodeBalancer's port as the balancer itself sees them, by their id. */
    async nodes(balancerId: number, port: number): Promise<Map<number, NodeState>> {
        const ask = `echo show stat | socat - ${statisticsSocket}`;
        const container = this.nameOf(`nodebalancer-${balancerId}`);
        // It may have been started a moment ago.
        const text = await eventually("a NodeBalancer's statistics", () =>
            docker("exec", container, "sh", "-c", ask),
        );
        return nodeStates(text, port);
    }

    /** Removes everything, by its label. */
    async close(): Promise<void> {
        await removeLeftovers(this.args.name);
    }

    private async create(machine: Machine, container: string): Promise<void> {
        const { addresses, label } = machine;
        await docker("volume", "create", ...this.labels(), container);
        await docker(
            ...["create", "--name", container, "--hostname", label, ...this.labels(), ...systemdFlags()],
            ...["--volume", `${container}:/var/lib/docker`],
            ...["--network", this.nameOf("internet"), "--ip", addresses.public, this.args.machineImage],
        );
        if (addresses.private) {
            await docker("network", "connect", "--ip", addresses.private, this.nameOf("private"), container);
        }
        for (const { subnetId, address } of addresses.vpc) {
            await docker("network", "connect", "--ip", address, this.nameOf(`subnet-${subnetId}`), container);
        }
        await copy(container, {
            "etc/cloud/cloud.cfg.d/90-gatehouse.cfg": dataSource,
            "var/lib/cloud/seed/nocloud/meta-data": stringify({
                "instance-id": `linode-${machine.id}`,
                "local-hostname": label,
                "public-keys": [...machine.authorizedKeys],
            }),
            "var/lib/cloud/seed/nocloud/user-data": machine.userData?.toString() ?? "#cloud-config\n{}\n",
        });
    }

    /** Loads a packet filter in a container's network, with the machine image's tools. */
    private async filter(container: string, rules: string): Promise<void> {
        await withFiles({ rules }, (folder) =>
            docker(
                ...[
                    "run",
                    "--rm",
                    ...this.labels(),
                    "--network",
                    `container:${container}`,
                    "--cap-add",
                    "NET_ADMIN",
                ],
                ...["--volume", `${folder}/rules:/rules:ro`, "--entrypoint", "iptables-restore"],
                ...[this.args.machineImage, "/rules"],
            ),
        );
    }

    /** The internet and the private network, made when they are first needed. */
    private networks(): Promise<void> {
        this.ready ??= (async () => {
            await this.network("internet", this.args.publicRange, "--gateway", this.operatorAddress);
            await this.network("private", privateRange, ...isolated);
        })();
        return this.ready;
    }

    private async network(name: string, range: string, ...options: string[]): Promise<void> {
        await docker("network", "create", ...this.labels(), ...options, "--subnet", range, this.nameOf(name));
    }

    /** The address that a NodeBalancer calls its nodes from: one of {@link balancerSource}. */
    sourceOf(id: number): string {
        const known = this.balancers.get(id);
        if (known) {
            return known;
        }
        const source = toAddress(toNumber(balancerSource.split("/")[0]!)! + this.nextBalancer);
        this.nextBalancer += 1;
        this.balancers.set(id, source);
        return source;
    }

    labels(): string[] {
        return [
            "--label",
            "dev.gatehouse.project=gatehouse",
            "--label",
            `dev.gatehouse.stack=${this.args.name}`,
        ];
    }

    nameOf(thing: string): string {
        return `${this.args.name}-${thing}`;
    }
}

async function exists(container: string): Promise<boolean> {
    return (await docker("ps", "--all", "--quiet", "--filter", `name=^/${container}$`)).trim() !== "";
}

async function isRunning(container: string): Promise<boolean> {
    return (await docker("ps", "--quiet", "--filter", `name=^/${container}$`)).trim() !== "";
}

/** Copies files into a container that may not run yet. */
async function copy(container: string, files: Record<string, string>): Promise<void> {
    await withFiles(files, (folder) => docker("cp", `${folder}/.`, `${container}:/`));
}

async function withFiles<T>(files: Record<string, string>, use: (folder: string) => Promise<T>): Promise<T> {
    const secret = await fs.mkdtemp(path.join(os.tmpdir(), "linode-"));
    // Docker gives the folder that it copies to the mode of the one that it copies from.
    const folder = path.join(secret, "root");
    await fs.mkdir(folder, { mode: 0o755 });
    try {
        for (const [name, content] of Object.entries(files)) {
            await fs.mkdir(path.dirname(path.join(folder, name)), { recursive: true });
            await fs.writeFile(path.join(folder, name), content, { mode: 0o644 });
        }
        return await use(folder);
    } finally {
        await fs.rm(secret, { recursive: true, force: true });
    }
}
