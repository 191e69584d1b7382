import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";

import { applicationsPrefix, type EtcdClient } from "../clusters/etcd/client";
import { shortestLease } from "../clusters/etcd/member";
import type { NodeAddress } from "../clusters/node";
import type { NodeConfiguration, NodeFile, NodeUnit } from "../clusters/node-files";
import { scriptSources } from "../clusters/node-script";
import { type ArgumentProblem, refuseArguments } from "../security/arguments";
import {
    applicationsFolder,
    applicationUnit,
    instanceDropIn,
    registrationProgram,
    registrationUnit,
} from "./unit-files";

/** An application as a systemd template unit: `<name>@1.service`, `<name>@2.service`, each a container. */
export interface Application {
    /** A name of units, containers and keys: lower-case letters, digits and `-`, at most 32 of them. */
    name: string;
    /**
     * Listens on `$PORT`. With a digest: an image is pulled only where it is missing. A change restarts the instances
     * one after the other.
     */
    image: string;
    /** A machine's first instance has this port of its private address, the second the next. Default: 9000. */
    basePort?: number;
    /** MiB of one instance. Default: 64. */
    memory?: number;
    /** CPUs of one instance. Default: 0.5. */
    cpus?: number;
    /** Whether its root file system can be written to. Default: false; `/tmp` can. */
    writable?: boolean;
    /** The path that answers with 2xx while an instance is well. Default: `/health`. */
    healthPath?: string;
    /** Further variables of its environment. Default: none. */
    environment?: Readonly<Record<string, string>>;
    /** Seconds that requests under way may take when an instance is stopped. Default: 10. */
    longestRequest?: number;
}

export interface ApplicationUnitsArgs {
    /** The machine that the files are for. */
    node: NodeAddress;
    application: Application;
    /** The instances of this machine, from {@link place}; possibly none. */
    instances: readonly number[];
    /** Who may write the keys of this application. Its files are somebody else's. */
    etcd: EtcdClient;
    /**
     * Whole seconds after which the key of a machine that is gone is gone, at least {@link shortestLease}. Default: 5. A
     * change restarts registrations.
     */
    lease?: number;
    /**
     * Seconds from the key's end to the application's, for balancers to notice. Default: 2. A change restarts
     * registrations.
     */
    deregisterDelay?: number;
    /** How registrations look whether an instance is well; seconds and counts. Default: {@link healthCheck}. */
    check?: { interval: number; timeout: number; fall: number; rise: number };
}

/** As often as HAProxy, and a little more patient: an instance that is away has to come back through etcd. */
export const healthCheck = { interval: 1, timeout: 1, fall: 3, rise: 2 };

/** The key of an instance, `/apps/webapp/webapp@1.service`. */
export function instanceKey(application: string, instance: number): string {
    return `${applicationsPrefix}${application}/${application}@${instance}.service`;
}

/**
 * The instances of an application on one machine, and the programs that register them in etcd. A stop of an instance, for
 * whatever reason, stops its registration first: that takes the key away, waits `deregisterDelay`, and only then does the
 * application get its signal. Pure; the machine has Docker and Python.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function applicationUnits(args: ApplicationUnitsArgs): NodeConfiguration {
    refuse(args);
    const { name, memory = 64, cpus = 0.5, writable = false, longestRequest = 10 } = args.application;
    const unit = applicationUnit({ name, memory, cpus, writable, longestRequest });
    const { lease = 5, deregisterDelay = 2 } = args;
    const registration = registrationUnit({ name, lease, deregisterDelay });
    const instances = [...args.instances].sort((a, b) => a - b);
    return {
        files: [
            // Without a unit of its own each: they have as many as there are instances, which have their digests.
            file(`/etc/systemd/system/${name}@.service`, "0644", unit),
            file(`/etc/systemd/system/${name}-registration@.service`, "0644", registration),
            file(registrationProgram, "0755", program),
            // Registrations read it again when etcd refuses the one that they have.
            file(passwordFile(name), "0600", `${args.etcd.password}\n`),
            ...instances.flatMap((instance, place) => [
                ...instanceFiles(args, instance, place, digest(unit)),
                registrationFile(args, instance, place, digest(registration, program)),
            ]),
        ],
        units: instances.flatMap((instance): NodeUnit[] => [
            // Not well before it is registered: the next one would be restarted too soon.
            { name: `${name}@${instance}.service`, healthy: registered(name, instance) },
            { name: `${name}-registration@${instance}.service`, healthy: registered(name, instance) },
        ]),
    };
}

/** What only one instance is told. */
function instanceFiles(
    { node, application }: ApplicationUnitsArgs,
    instance: number,
    place: number,
    unitDigest: string,
): NodeFile[] {
    const { name, image, environment } = application;
    const port = portOf(application, place);
    const variables = {
        PORT: String(port),
        NAME: name,
        NODE_NAME: node.name,
        NODE_IP: node.address,
        // The registration has waited already.
        DRAIN_DELAY_MS: "0",
        ...environment,
    };
    const lines = Object.entries(variables).map(([key, value]) => `${key}=${value}\n`);
    const restarts = { name: `${name}@${instance}.service`, change: "restart" } as const;
    const dropIn = instanceDropIn({ image, address: node.address, port, digest: unitDigest });
    return [
        file(`/etc/systemd/system/${name}@${instance}.service.d/instance.conf`, "0644", dropIn, restarts),
        file(`${applicationsFolder}/${name}@${instance}.env`, "0600", lines.join(""), restarts),
    ];
}

function registrationFile(
    args: ApplicationUnitsArgs,
    instance: number,
    place: number,
    programDigest: string,
): NodeFile {
    const { node, application, etcd, lease = 5, deregisterDelay = 2, check = healthCheck } = args;
    const { name, healthPath = "/health" } = application;
    const address = `${node.address}:${portOf(application, place)}`;
    const settings = {
        key: instanceKey(name, instance),
        value: `${name}-${instance} ${address}`,
        health: `http://${address}${healthPath}`,
        ttl: lease,
        delay: deregisterDelay,
        check,
        etcd: {
            endpoints: etcd.endpoints,
            ca: etcd.caFile,
            certificate: etcd.certificateFile,
            key: etcd.keyFile,
            user: etcd.user,
        },
        password: passwordFile(name),
        // Not read: a new program or unit file reaches each registration in its turn.
        program: programDigest,
    };
    const unit = `${name}-registration@${instance}`;
    return file(`${applicationsFolder}/${unit}.json`, "0644", `${JSON.stringify(settings, undefined, 2)}\n`, {
        name: `${unit}.service`,
        change: "restart",
    });
}

/** Prints what the registration says of itself, which is the reason when it is not registered. */
function registered(name: string, instance: number): string[] {
    const script =
        'said=$(systemctl show --property=StatusText --value "$1"); echo "${said:-$1 does not run}"; ' +
        'systemctl is-active --quiet "$1" && case $said in registered:*) ;; *) exit 1 ;; esac';
    return ["sh", "-c", script, "sh", `${name}-registration@${instance}.service`];
}

/** One program of all that it is made of. */
const program = [
    "#!/usr/bin/python3",
    ...scriptSources(["etcd_api.py"]),
    ...["health.py", "registration.py"].map((name) => readFileSync(join(__dirname, "files", name), "utf8")),
].join("\n\n");

function passwordFile(name: string): string {
    return `${applicationsFolder}/${name}.password`;
}

function portOf({ basePort = 9000 }: Application, place: number): number {
    return basePort + place;
}

function digest(...texts: string[]): string {
    return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 16);
}

function file(path: string, mode: NodeFile["mode"], content: string, unit?: NodeFile["unit"]): NodeFile {
    return { path, content, mode, owner: "root:root", ...(unit && { unit }) };
}

/** Never with a secret in the message. */
function refuse(args: ApplicationUnitsArgs): void {
    const { node, application, instances, etcd, lease = 5, deregisterDelay = 2, check = healthCheck } = args;
    const { name, basePort = 9000, memory = 64, cpus = 0.5, longestRequest = 10 } = application;
    const problems: ArgumentProblem[] = [];
    const must = (right: boolean, propertyPath: string, reason: string): void => {
        if (!right) {
            problems.push({ propertyPath, reason });
        }
    };
    const whole = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;
    must(
        /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name) && !name.endsWith("-registration"),
        "application.name",
        `"${name}" is no part of a key and a unit's name: it must be lower-case letters, digits and '-', at most 32 of them, begin with a letter, and end neither with '-' nor with -registration`,
    );
    must(isIPv4(node.address), "node.address", "must be an IPv4 address");
    must(
        /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/.test(application.image),
        "application.image",
        "must be an image's reference, best with a digest",
    );
    must(
        whole(basePort, 1024) && portOf(application, instances.length) <= 65_536,
        "application.basePort",
        "must be a whole number from 1024 up, with room for the machine's instances below 65536",
    );
    must(whole(memory, 6), "application.memory", "must be whole MiB, at least 6, which is Docker's minimum");
    must(cpus >= 0.01, "application.cpus", "must be at least 0.01");
    must(whole(longestRequest, 1), "application.longestRequest", "must be whole seconds, at least 1");
    must(
        /^\/[\w./~-]*$/.test(application.healthPath ?? "/health"),
        "application.healthPath",
        "must be a path like /health",
    );
    for (const [key, value] of Object.entries(application.environment ?? {})) {
        must(
            /^[A-Za-z_]\w*$/.test(key) && /^[^\r\n\0]*$/.test(value),
            "application.environment",
            `${key} must be a variable's name, and its value one line`,
        );
    }
    must(
        instances.every((each) => whole(each, 1)) && new Set(instances).size === instances.length,
        "instances",
        "must be whole numbers from 1 up, none of them twice",
    );
    must(etcd.endpoints.length > 0, "etcd.endpoints", "must have at least one");
    must(/^\S+$/.test(etcd.password), "etcd.password", "must be a word");
    must(
        whole(lease, shortestLease),
        "lease",
        `must be whole seconds, at least ${shortestLease}: etcd makes none shorter, and a keep-alive has to hold it while a member is down`,
    );
    must(deregisterDelay >= 0, "deregisterDelay", "must be seconds, 0 or more");
    must(
        check.interval > 0 && check.timeout > 0 && whole(check.fall, 1) && whole(check.rise, 1),
        "check",
        "must have interval and timeout in seconds, fall and rise as whole numbers from 1 up",
    );
    refuseArguments(`the application ${name} on ${node.name}`, problems);
}
