import { libraryFolder } from "../../cloud-init";

/** Where a machine has what its instances are told. */
export const applicationsFolder = "/etc/gatehouse/applications";

/** Puts an instance's key into etcd, and takes it away (files/registration.py). */
export const registrationProgram = `${libraryFolder}/etcd-registration`;

export interface ApplicationUnitArgs {
    name: string;
    /** MiB. */
    memory: number;
    cpus: number;
    /** Whether its root file system can be written to. */
    writable: boolean;
    /** Seconds. */
    longestRequest: number;
}

/** `<name>@.service`. What differs between instances is in {@link instanceDropIn} and in the container's environment. */
export function applicationUnit({
    name,
    memory,
    cpus,
    writable,
    longestRequest,
}: ApplicationUnitArgs): string {
    const container = [
        "docker run --rm --name=%p-%i --hostname=%p-%i --pull=never",
        `--env-file=${applicationsFolder}/%p@%i.env --publish=\${ADDRESS}:\${PORT}:\${PORT}`,
        `--memory=${memory}m --memory-swap=${memory}m --cpus=${cpus} --pids-limit=256`,
        `--cap-drop=ALL --security-opt=no-new-privileges${writable ? "" : " --read-only --tmpfs=/tmp"}`,
        // The journal has what it says.
        "--log-driver=none ${IMAGE}",
    ];
    return `[Unit]
Description=Instance %i of ${name}
Requires=docker.service
Wants=network-online.target ${name}-registration@%i.service
After=docker.service network-online.target
# Nobody has configured the others.
AssertPathExists=${applicationsFolder}/%p@%i.env
StartLimitIntervalSec=0

[Service]
Type=exec
# Once for all: what a tag means later, another instance would not run. A start without the image fails, and says so.
ExecStartPre=-/bin/sh -c 'docker image inspect "$$IMAGE" >/dev/null 2>&1 || exec docker pull --quiet "$$IMAGE"'
# What was left when the machine, or Docker, ended at once.
ExecStartPre=-/bin/sh -c 'docker rm --force %p-%i >/dev/null 2>&1'
ExecStart=${container.join(" \\\n    ")}
# Its registration has stopped before: no new requests come.
ExecStop=-docker stop --time=${longestRequest} %p-%i
ExecStopPost=-/bin/sh -c 'docker rm --force %p-%i >/dev/null 2>&1'
Restart=always
RestartSec=1
# Time to pull.
TimeoutStartSec=300
TimeoutStopSec=${longestRequest + 10}
SuccessExitStatus=143

[Install]
WantedBy=gatehouse.target
`;
}

export interface RegistrationUnitArgs {
    name: string;
    /** Seconds. */
    lease: number;
    /** Seconds. */
    deregisterDelay: number;
}

/** `<name>-registration@.service`: starts after its instance and stops before it, whoever stops that. */
export function registrationUnit({ name, lease, deregisterDelay }: RegistrationUnitArgs): string {
    return `[Unit]
Description=Registration of instance %i of ${name} in etcd
BindsTo=${name}@%i.service
After=${name}@%i.service
# Nobody has configured the others.
AssertPathExists=${applicationsFolder}/%p@%i.json
StartLimitIntervalSec=0

[Service]
# Started at once, registered later, as its status says: who starts it waits as long as it likes to (units.ts).
Type=exec
NotifyAccess=main
ExecStart=${registrationProgram} ${applicationsFolder}/%p@%i.json
Restart=always
RestartSec=1
# Without etcd it waits until the lease has run out.
TimeoutStopSec=${lease + deregisterDelay + 10}
WatchdogSec=60
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=gatehouse.target
`;
}

/** What systemd needs to know of one instance. `digest`: of the unit file, so that a new one reaches each in its turn. */
export function instanceDropIn(args: {
    image: string;
    address: string;
    port: number;
    digest: string;
}): string {
    return `# Unit file ${args.digest}
[Service]
Environment=IMAGE=${args.image} ADDRESS=${args.address} PORT=${args.port}
`;
}
