import type { Config, Disk, IPAddress, InterfacePayload, LinodeConfigCreationData } from "@linode/api-v4";

import { netmask } from "../addresses";
import { timestamp } from "../clock";
import { ApiError, invalid } from "../errors";
import { linodeEntity, type Instance, type OfInstance } from "../platform";
import { bodyOf, given, ids, without, type Routes } from "../routes";
import { body, boolean, integer, label, oneOf, optional, text } from "../schema";
import { addConfig } from "./instance-create";
import { interfaceOf, interfaceSchema, interfacesSchema, makeInterfaces, vpcIps } from "./interfaces";

/** Disks, configuration profiles and addresses of instances. */
export const instanceParts: Routes = (app, platform) => {
    const base = "/linode/instances/:id";
    const instanceOf = (request: Parameters<typeof ids>[0]) => platform.instances.get(ids(request).id!);
    const view = <T extends object>(part: OfInstance<T>) => without(part, "linodeId");

    app.get(`${base}/disks`, (request) => {
        const { id } = instanceOf(request);
        return platform.disks.list(request, view<Disk>, ({ linodeId }) => linodeId === id);
    });
    app.get(`${base}/disks/:diskId`, (request) => {
        const { id } = instanceOf(request);
        const disk = platform.disks.get(ids(request).diskId!);
        return view<Disk>(disk.linodeId === id ? disk : platform.disks.get(-1));
    });

    app.get(`${base}/configs`, (request) => {
        const { id } = instanceOf(request);
        return platform.configs.list(request, view<Config>, ({ linodeId }) => linodeId === id);
    });
    app.get(`${base}/configs/:configId`, (request) => view<Config>(configOf(request)));

    const configSchema = {
        label: label(1, 48),
        comments: optional(text),
        devices: { type: ["object", "null"] },
        helpers: { type: ["object", "null"] },
        interfaces: interfacesSchema,
        kernel: optional(text),
        memory_limit: optional(integer),
        root_device: optional(text),
        run_level: optional(oneOf("default", "single", "binbash")),
        virt_mode: optional(oneOf("paravirt", "fullvirt")),
    };
    app.post(`${base}/configs`, { schema: body(configSchema, ["label"]) }, (request) => {
        const instance = instanceOf(request);
        const wanted = bodyOf<LinodeConfigCreationData>(request);
        const interfaces = makeInterfaces(platform, instance, wanted.interfaces ?? [], undefined);
        const config = addConfig(platform, instance, { label: wanted.label, disks: [], interfaces });
        change(config, wanted);
        platform.events.notify("linode_config_create", linodeEntity(instance));
        return view<Config>(config);
    });
    app.put(`${base}/configs/:configId`, { schema: body(configSchema) }, (request) => {
        const config = configOf(request);
        const wanted = bodyOf<Partial<LinodeConfigCreationData>>(request);
        if (wanted.interfaces) {
            config.interfaces = makeInterfaces(platform, instanceOf(request), wanted.interfaces, config.id);
        }
        change(config, wanted);
        platform.events.notify("linode_config_update", linodeEntity(instanceOf(request)));
        return view<Config>(config);
    });
    app.delete(`${base}/configs/:configId`, (request) => {
        platform.configs.remove(configOf(request).id);
        platform.events.notify("linode_config_delete", linodeEntity(instanceOf(request)));
        return {};
    });

    app.get(`${base}/configs/:configId/interfaces`, (request) => configOf(request).interfaces ?? []);
    app.get(`${base}/configs/:configId/interfaces/:interfaceId`, (request) =>
        interfaceOf(configOf(request), ids(request).interfaceId!),
    );
    app.post(`${base}/configs/:configId/interfaces`, { schema: { body: interfaceSchema } }, (request) => {
        const config = configOf(request);
        const [made] = makeInterfaces(
            platform,
            instanceOf(request),
            [bodyOf<InterfacePayload>(request)],
            undefined,
        );
        const interfaces = [...(config.interfaces ?? []), made!];
        if (interfaces.length > 3) {
            throw new ApiError(400, { reason: "Must have at most 3 interfaces" });
        }
        config.interfaces = interfaces;
        return made;
    });
    app.delete(`${base}/configs/:configId/interfaces/:interfaceId`, (request) => {
        const config = configOf(request);
        const gone = interfaceOf(config, ids(request).interfaceId!);
        if (gone.active) {
            throw new ApiError(400, { reason: "The interface is in use. Shut the Linode down first." });
        }
        config.interfaces = (config.interfaces ?? []).filter((one) => one !== gone);
        return {};
    });

    app.get(`${base}/ips`, (request) => ipsOf(instanceOf(request)));
    app.get(`${base}/ips/:address`, (request) => addressOf(request));
    const ipSchema = body({ type: oneOf("ipv4"), public: boolean }, ["type", "public"]);
    app.post(`${base}/ips`, { schema: ipSchema }, (request) => {
        const instance = instanceOf(request);
        const { public: isPublic } = bodyOf<{ public: boolean }>(request);
        if (isPublic) {
            // A second public address needs a justification that only a person can give.
            throw new ApiError(400, { reason: "Additional IPv4 addresses require technical justification." });
        }
        if (instance.hidden.privateAddresses.length > 0) {
            throw new ApiError(400, { reason: "Linode already has a private IP address" });
        }
        const address = platform.privateAddresses.take();
        instance.hidden.privateAddresses.push(address);
        instance.ipv4.push(address);
        platform.events.notify("linode_addip", linodeEntity(instance));
        return ipView(instance, address);
    });
    app.put(`${base}/ips/:address`, { schema: body({ rdns: optional(text) }) }, (request) => {
        const { address } = addressOf(request);
        const instance = instanceOf(request);
        const { rdns } = bodyOf<{ rdns?: string | null }>(request);
        if (rdns) {
            instance.hidden.rdns.set(address, rdns);
        } else {
            instance.hidden.rdns.delete(address);
        }
        return ipView(instance, address);
    });
    app.delete(`${base}/ips/:address`, (request) => {
        const { address, public: isPublic } = addressOf(request);
        const instance = instanceOf(request);
        if (isPublic) {
            throw new ApiError(400, { reason: "A Linode must have at least one public IPv4 address" });
        }
        platform.privateAddresses.release(address);
        instance.hidden.privateAddresses = [];
        instance.ipv4 = instance.ipv4.filter((one) => one !== address);
        platform.events.notify("linode_deleteip", linodeEntity(instance));
        return {};
    });

    function configOf(request: Parameters<typeof ids>[0]): OfInstance<Config> {
        const { id } = instanceOf(request);
        const config = platform.configs.get(ids(request).configId!);
        return config.linodeId === id ? config : platform.configs.get(-1);
    }

    function addressOf(request: Parameters<typeof ids>[0]): IPAddress {
        const instance = instanceOf(request);
        const { address = "" } = ids(request);
        if (!instance.ipv4.includes(address)) {
            throw new ApiError(404, { reason: "Not found" });
        }
        return ipView(instance, address);
    }

    function ipsOf(instance: Instance) {
        const { id, region, hidden } = instance;
        const slaac = instance.ipv6!.replace(/\/\d+$/, "");
        const six = (address: string, isPublic: boolean) => ({
            address,
            gateway: "fe80::1",
            subnet_mask: "ffff:ffff:ffff:ffff::",
            prefix: 64,
            type: "ipv6",
            rdns: null,
            linode_id: id,
            region,
            public: isPublic,
        });
        return {
            ipv4: {
                public: hidden.publicAddresses.map((address) => ipView(instance, address)),
                private: hidden.privateAddresses.map((address) => ipView(instance, address)),
                shared: [],
                reserved: [],
                vpc: vpcIps(platform, { linodeId: id }),
            },
            ipv6: {
                slaac: six(slaac, true),
                link_local: six(`fe80::${slaac.split("::")[1]!}`, false),
                global: [],
                vpc: [],
            },
        };
    }

    function ipView({ id, region, hidden }: Instance, address: string): IPAddress {
        const isPublic = hidden.publicAddresses.includes(address);
        const prefix = isPublic ? 24 : 17;
        const nat = vpcIps(platform, { linodeId: id }).find(({ nat_1_1 }) => nat_1_1 === address);
        return {
            address,
            gateway: isPublic ? address.replace(/\.\d+$/, ".1") : null,
            subnet_mask: netmask(prefix),
            prefix,
            type: "ipv4",
            public: isPublic,
            rdns: isPublic
                ? (hidden.rdns.get(address) ?? `${address.replaceAll(".", "-")}.ip.linodeusercontent.com`)
                : null,
            linode_id: id,
            interface_id: null,
            region,
            vpc_nat_1_1: nat ? { address: nat.address, subnet_id: nat.subnet_id, vpc_id: nat.vpc_id } : null,
        };
    }
};

function change(config: Config, wanted: Partial<LinodeConfigCreationData>): void {
    if (wanted.label === "") {
        throw invalid("label", "label is required");
    }
    Object.assign(
        config,
        given(wanted, "label", "comments", "kernel", "memory_limit", "root_device", "run_level", "virt_mode"),
        {
            devices: { ...config.devices, ...wanted.devices },
            helpers: { ...config.helpers, ...wanted.helpers },
            updated: timestamp(),
        },
    );
}
