import type Docker from "dockerode";

import { duration, networkModeOf } from "./container-config";
import type { ContainerInputs, ContainerOutputs, NetworkData, Port } from "./container-schema";
import { fromMap } from "./labels";

/** With what the library's types leave out. */
type Inspected = Docker.ContainerInspectInfo & {
    Config: { StopSignal?: string; StopTimeout?: number };
    NetworkSettings: { Bridge?: string };
};

const mebibyte = 1024 * 1024;

/** What only the engine knows, and what it has chosen where the program has left it open. */
export function outputsOf(found: Inspected, inputs: ContainerInputs | undefined): Partial<ContainerOutputs> {
    const { Config, HostConfig, State } = found;
    const chosen: Partial<ContainerInputs> = {
        hostname: Config.Hostname,
        command: Config.Cmd ?? [],
        entrypoints: asList(Config.Entrypoint),
        envs: [],
        init: HostConfig.Init ?? false,
        ipcMode: HostConfig.IpcMode,
        labels: [],
        logDriver: HostConfig.LogConfig?.Type,
        runtime: HostConfig.Runtime,
        securityOpts: HostConfig.SecurityOpt ?? [],
        shmSize: Math.round((HostConfig.ShmSize ?? 0) / mebibyte),
        stopSignal: Config.StopSignal ?? "",
        stopTimeout: Config.StopTimeout ?? 0,
    };
    const open = Object.entries(chosen).filter(
        ([name]) => inputs?.[name as keyof ContainerInputs] === undefined,
    );
    return {
        ...Object.fromEntries(open),
        ...(inputs?.ports && { ports: inputs.ports.map((port) => withExternal(port, found)) }),
        bridge: found.NetworkSettings.Bridge ?? "",
        networkDatas: networkDatas(found, inputs),
        ...(!State.Running && { exitCode: State.ExitCode }),
    };
}

/**
 * What may have changed on a container since it was created: everything else is fixed for its life, and a container
 * made anew by hand has another id.
 */
export function observedChanges(found: Inspected, inputs: ContainerInputs): Partial<ContainerInputs> {
    const { HostConfig, State } = found;
    const swap = HostConfig.MemorySwap ?? 0;
    return {
        name: nameOf(found),
        restart: HostConfig.RestartPolicy?.Name || "no",
        ...(inputs.maxRetryCount !== undefined && {
            maxRetryCount: HostConfig.RestartPolicy?.MaximumRetryCount ?? 0,
        }),
        ...(inputs.memory !== undefined && { memory: Math.round((HostConfig.Memory ?? 0) / mebibyte) }),
        ...(inputs.memorySwap !== undefined && { memorySwap: swap > 0 ? Math.round(swap / mebibyte) : swap }),
        ...(inputs.cpuShares !== undefined && { cpuShares: HostConfig.CpuShares ?? 0 }),
        ...(inputs.cpuSet !== undefined && { cpuSet: HostConfig.CpusetCpus ?? "" }),
        // The official plugin's way to plan the restart of a container that has stopped.
        ...(inputs.mustRun && inputs.start && { mustRun: State.Running }),
        ...(inputs.networksAdvanced && {
            networksAdvanced: inputs.networksAdvanced.filter((network) => isConnected(found, network.name)),
        }),
    };
}

/** The inputs of a container that the program does not know yet, as far as they can be told. */
export function importedInputs(found: Inspected): Partial<ContainerInputs> {
    const { Config, HostConfig } = found;
    const mode = HostConfig.NetworkMode ?? "bridge";
    const networks = Object.entries(found.NetworkSettings.Networks ?? {}).filter(
        ([name]) => name !== "bridge",
    );
    return {
        name: nameOf(found),
        image: Config.Image,
        hostname: Config.Hostname,
        ...(Config.Domainname && { domainname: Config.Domainname }),
        ...(Config.User && { user: Config.User }),
        ...(Config.WorkingDir && { workingDir: Config.WorkingDir }),
        command: Config.Cmd ?? [],
        entrypoints: asList(Config.Entrypoint),
        envs: Config.Env ?? [],
        labels: fromMap(Config.Labels),
        ...(Config.StopSignal && { stopSignal: Config.StopSignal }),
        ...(Config.StopTimeout && { stopTimeout: Config.StopTimeout }),
        dns: HostConfig.Dns ?? [],
        dnsSearches: HostConfig.DnsSearch ?? [],
        sysctls: HostConfig.Sysctls ?? {},
        restart: HostConfig.RestartPolicy?.Name || "no",
        ...(HostConfig.Memory && { memory: Math.round(HostConfig.Memory / mebibyte) }),
        ...(HostConfig.Privileged && { privileged: true }),
        ...((HostConfig.CapAdd || HostConfig.CapDrop) && {
            capabilities: { adds: HostConfig.CapAdd ?? [], drops: HostConfig.CapDrop ?? [] },
        }),
        securityOpts: HostConfig.SecurityOpt ?? [],
        ...(HostConfig.Tmpfs && { tmpfs: HostConfig.Tmpfs as Record<string, string> }),
        ports: importedPorts(found),
        volumes: (HostConfig.Binds ?? []).map((bind) => {
            const [source = "", containerPath, mode = ""] = bind.split(":");
            return {
                ...(source.startsWith("/") ? { hostPath: source } : { volumeName: source }),
                containerPath,
                ...(mode.split(",").includes("ro") && { readOnly: true }),
            };
        }),
        networkMode: networks.some(([name]) => name === mode)
            ? "bridge"
            : mode === "default"
              ? "bridge"
              : mode,
        networksAdvanced: networks.map(([name, network]) => ({
            name,
            ...(network.IPAMConfig?.IPv4Address && { ipv4Address: network.IPAMConfig.IPv4Address }),
            ...(network.Aliases && {
                aliases: (network.Aliases as string[]).filter((alias) => !found.Id.startsWith(alias)),
            }),
        })),
        ...(Config.Healthcheck && {
            healthcheck: {
                tests: Config.Healthcheck.Test ?? [],
                interval: duration(Config.Healthcheck.Interval ?? 0),
                timeout: duration(Config.Healthcheck.Timeout ?? 0),
                startPeriod: duration(Config.Healthcheck.StartPeriod ?? 0),
                startInterval: "0s",
                retries: Config.Healthcheck.Retries ?? 0,
            },
        }),
    };
}

function nameOf(found: Inspected): string {
    return found.Name.replace(/^\//, "");
}

function isConnected(found: Inspected, network: string): boolean {
    const networks = found.NetworkSettings.Networks ?? {};
    return network in networks || Object.values(networks).some(({ NetworkID }) => NetworkID === network);
}

function networkDatas(found: Inspected, inputs: ContainerInputs | undefined): NetworkData[] {
    // In the program's order: the engine's is arbitrary.
    const wanted = (inputs?.networksAdvanced ?? []).map((network) => network.name);
    if (inputs) {
        wanted.unshift(networkModeOf(inputs));
    }
    const rank = (name: string, id: string): number => {
        const index = wanted.findIndex((want) => want === name || want === id);
        return index < 0 ? wanted.length : index;
    };
    return Object.entries(found.NetworkSettings.Networks ?? {})
        .sort(([a, first], [b, second]) => {
            const order = rank(a, first.NetworkID) - rank(b, second.NetworkID);
            return order !== 0 ? order : a < b ? -1 : 1;
        })
        .map(([networkName, network]) => ({
            networkName,
            ipAddress: network.IPAddress,
            ipPrefixLength: network.IPPrefixLen,
            gateway: network.Gateway,
            globalIpv6Address: network.GlobalIPv6Address,
            globalIpv6PrefixLength: network.GlobalIPv6PrefixLen,
            ipv6Gateway: network.IPv6Gateway,
            macAddress: network.MacAddress,
        }));
}

/** A published port whose number the program has left to the engine. */
function withExternal(port: Port, found: Inspected): Port {
    if (port.external !== undefined) {
        return port;
    }
    const bindings = found.NetworkSettings.Ports?.[`${port.internal}/${port.protocol}`] ?? [];
    const binding = bindings.find(({ HostIp }) => HostIp === port.ip) ?? bindings[0];
    return binding ? { ...port, external: Number(binding.HostPort) } : port;
}

function importedPorts(found: Inspected): Port[] {
    const bindings = (found.HostConfig.PortBindings ?? {}) as Record<
        string,
        { HostIp?: string; HostPort?: string }[]
    >;
    return Object.entries(bindings).flatMap(([key, hosts]) => {
        const [internal, protocol = "tcp"] = key.split("/");
        return hosts.map(({ HostIp, HostPort }) => ({
            internal: Number(internal),
            ...(HostPort && { external: Number(HostPort) }),
            ip: HostIp || "0.0.0.0",
            protocol,
        }));
    });
}

function asList(value: string | string[] | null | undefined): string[] {
    return value === null || value === undefined ? [] : Array.isArray(value) ? value : [value];
}
