import type { ContainerInputs, Healthcheck, Mount, NetworkAttachment, Volume } from "./container-schema";
import { toMap } from "./labels";

const mebibyte = 1024 * 1024;

/** What the engine is asked to create. The first network is joined at creation, the others before the start. */
export function createOptions(inputs: ContainerInputs): Record<string, unknown> {
    const { volumes, binds, volumesFrom } = splitVolumes(inputs.volumes ?? []);
    const networkMode = networkModeOf(inputs);
    const first = inputs.networksAdvanced?.find((network) => network.name === networkMode);
    return compact({
        name: inputs.name,
        Image: inputs.image,
        Hostname: inputs.hostname,
        Domainname: inputs.domainname,
        User: inputs.user,
        Env: inputs.envs,
        Cmd: inputs.command,
        Entrypoint: inputs.entrypoints,
        WorkingDir: inputs.workingDir,
        Labels: toMap(inputs.labels),
        Tty: inputs.tty,
        OpenStdin: inputs.stdinOpen,
        StopSignal: inputs.stopSignal,
        StopTimeout: inputs.stopTimeout,
        Healthcheck: inputs.healthcheck && toHealthcheck(inputs.healthcheck),
        Volumes: volumes.length > 0 ? Object.fromEntries(volumes.map((path) => [path, {}])) : undefined,
        ExposedPorts: Object.fromEntries(
            (inputs.ports ?? []).map((port) => [`${port.internal}/${port.protocol}`, {}]),
        ),
        HostConfig: compact({
            NetworkMode: networkMode,
            PortBindings: portBindings(inputs),
            PublishAllPorts: inputs.publishAllPorts,
            Binds: binds,
            VolumesFrom: volumesFrom,
            Mounts: (inputs.mounts ?? []).map(toMount),
            Tmpfs: inputs.tmpfs,
            CapAdd: inputs.capabilities?.adds,
            CapDrop: inputs.capabilities?.drops,
            SecurityOpt: inputs.securityOpts,
            Privileged: inputs.privileged,
            CgroupnsMode: inputs.cgroupnsMode,
            Devices: inputs.devices?.map((device) => ({
                PathOnHost: device.hostPath,
                PathInContainer: device.containerPath ?? device.hostPath,
                CgroupPermissions: device.permissions ?? "rwm",
            })),
            Dns: inputs.dns,
            DnsOptions: inputs.dnsOpts,
            DnsSearch: inputs.dnsSearches,
            ExtraHosts: inputs.hosts?.map(({ host, ip }) => `${host}:${ip}`),
            GroupAdd: inputs.groupAdds,
            Init: inputs.init,
            IpcMode: inputs.ipcMode,
            PidMode: inputs.pidMode,
            UsernsMode: inputs.usernsMode,
            Runtime: inputs.runtime,
            ReadonlyRootfs: inputs.readOnly,
            AutoRemove: inputs.rm,
            LogConfig: compact({ Type: inputs.logDriver, Config: inputs.logOpts }),
            StorageOpt: inputs.storageOpts,
            Sysctls: inputs.sysctls,
            Ulimits: inputs.ulimits?.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
            ShmSize: inputs.shmSize === undefined ? undefined : inputs.shmSize * mebibyte,
            ...updateOptions(inputs),
        }),
        NetworkingConfig: first && { EndpointsConfig: { [first.name]: endpointConfig(first) } },
    });
}

/** What the engine can change on a container that exists. */
export function updateOptions(inputs: ContainerInputs): Record<string, unknown> {
    return compact({
        RestartPolicy: { Name: inputs.restart, MaximumRetryCount: inputs.maxRetryCount ?? 0 },
        Memory: inputs.memory === undefined ? undefined : inputs.memory * mebibyte,
        MemorySwap: memorySwap(inputs),
        CpuShares: inputs.cpuShares,
        CpusetCpus: inputs.cpuSet,
    });
}

/** In bytes; -1 is unlimited. Without a setting twice the memory, as the engine does for new containers. */
function memorySwap({ memory, memorySwap: swap }: ContainerInputs): number | undefined {
    if (swap !== undefined) {
        return swap > 0 ? swap * mebibyte : swap;
    }
    return memory === undefined || memory === 0 ? undefined : 2 * memory * mebibyte;
}

/** Containers with networks of their own are created on the first of them and never touch the default bridge. */
export function networkModeOf(inputs: ContainerInputs): string {
    const first = inputs.networksAdvanced?.[0];
    return first && inputs.networkMode === "bridge" ? first.name : inputs.networkMode;
}

export function endpointConfig(network: NetworkAttachment): Record<string, unknown> {
    return compact({
        Aliases: network.aliases,
        IPAMConfig: compact({ IPv4Address: network.ipv4Address, IPv6Address: network.ipv6Address }),
    });
}

function portBindings({ ports }: ContainerInputs): Record<string, { HostIp: string; HostPort: string }[]> {
    const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
    for (const port of ports ?? []) {
        const binding = {
            HostIp: port.ip,
            HostPort: port.external === undefined ? "" : String(port.external),
        };
        (bindings[`${port.internal}/${port.protocol}`] ??= []).push(binding);
    }
    return bindings;
}

function splitVolumes(specs: Volume[]): { volumes: string[]; binds: string[]; volumesFrom: string[] } {
    const volumes: string[] = [];
    const binds: string[] = [];
    const volumesFrom: string[] = [];
    for (const spec of specs) {
        const mode = spec.readOnly ? "ro" : "rw";
        const source = spec.volumeName ?? spec.hostPath;
        if (spec.fromContainer !== undefined) {
            volumesFrom.push(`${spec.fromContainer}:${mode}`);
        } else if (source !== undefined && spec.containerPath !== undefined) {
            binds.push(`${source}:${spec.containerPath}:${mode}`);
        } else if (spec.containerPath !== undefined) {
            volumes.push(spec.containerPath);
        }
    }
    return { volumes, binds, volumesFrom };
}

function toMount(mount: Mount): Record<string, unknown> {
    const { bindOptions, volumeOptions, tmpfsOptions } = mount;
    return compact({
        Target: mount.target,
        Source: mount.source,
        Type: mount.type,
        ReadOnly: mount.readOnly,
        BindOptions: bindOptions && compact({ Propagation: bindOptions.propagation }),
        VolumeOptions:
            volumeOptions &&
            compact({
                NoCopy: volumeOptions.noCopy,
                Labels: toMap(volumeOptions.labels),
                DriverConfig: volumeOptions.driverName
                    ? { Name: volumeOptions.driverName, Options: volumeOptions.driverOptions ?? {} }
                    : undefined,
            }),
        TmpfsOptions: tmpfsOptions && compact({ SizeBytes: tmpfsOptions.sizeBytes, Mode: tmpfsOptions.mode }),
    });
}

function toHealthcheck(check: Healthcheck): Record<string, unknown> {
    return compact({
        Test: check.tests,
        Interval: nanoseconds(check.interval),
        Timeout: nanoseconds(check.timeout),
        StartPeriod: nanoseconds(check.startPeriod),
        StartInterval: nanoseconds(check.startInterval) || undefined,
        Retries: check.retries,
    });
}

const units: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Of a duration in Go's notation. */
export function nanoseconds(duration: string): number {
    let sum = 0;
    for (const [, amount, unit] of duration.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
        sum += Number(amount) * (units[unit ?? ""] ?? 0);
    }
    return Math.round(sum);
}

/** The engine's notation for what `nanoseconds` reads, in the largest unit that fits. */
export function duration(nanos: number): string {
    for (const unit of ["h", "m", "s", "ms", "us"]) {
        const size = units[unit] ?? 1;
        if (nanos >= size && nanos % size === 0) {
            return `${nanos / size}${unit}`;
        }
    }
    return nanos === 0 ? "0s" : `${nanos}ns`;
}

function compact(values: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
