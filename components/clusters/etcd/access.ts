import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../../machines/machine";
import { type ArgumentProblem, refuseArguments } from "../../security/arguments";
import { ensure } from "../ensure";
import { scriptProgram } from "../node-script";
import { applicationsPrefix, type EtcdClient, etcdClientFiles } from "./client";

/** Who does something in etcd, beside `root`: a machine's own scripts, the balancer, an application that registers. */
export type EtcdRole = "nodes" | "balancer" | `app-${string}`;

/** A user's password, and that of the user who takes its place in the next rotation. */
export interface EtcdPasswords {
    current: string;
    next: string;
}

export interface EtcdAccessArgs {
    /** Of the user `root`, who may do everything. Rotation leaves it: members take their places with it. */
    rootPassword: string;
    /** How often passwords were rotated, from 1 on. */
    rotation: number;
    /** For each role; `app-<name>` for an application of that name. */
    passwords: Readonly<Record<string, EtcdPasswords>>;
}

/** Users and roles as files/etcd_auth.py makes them. */
export interface EtcdAccessPlan {
    users: { name: string; password: string; role: string }[];
    roles: { name: string; prefixes: { prefix: string; access: "read" | "readwrite" }[] }[];
}

/** The prefix under which machines take turns. */
export const nodesPrefix = "/gatehouse/";

/** A role's user. A generation has its own, as a user has one password: holders change one after the other. Pure. */
export function etcdUser(role: EtcdRole, rotation: number): string {
    return rotation === 1 ? role : `${role}.${rotation}`;
}

/**
 * Who may do what. A certificate gives nobody a right: a user's name and password do. Holds secrets. Pure.
 *
 * | role | may |
 * |---|---|
 * | `nodes` | read and write below `/gatehouse/`: turns |
 * | `app-<name>` | read and write below `/apps/<name>/`: one application registers |
 * | `balancer` | read below `/apps/` |
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function etcdAccess({ rootPassword, rotation, passwords }: EtcdAccessArgs): EtcdAccessPlan {
    const roles = Object.keys(passwords);
    refuseArguments("etcd's users", roles.flatMap(roleProblem));
    return {
        users: [
            { name: "root", password: rootPassword, role: "root" },
            ...Object.entries(passwords).flatMap(([role, { current, next }]) => [
                { name: etcdUser(role as EtcdRole, rotation), password: current, role },
                // Known already when the machines are told, so that a rotation shuts nobody out.
                { name: etcdUser(role as EtcdRole, rotation + 1), password: next, role },
            ]),
        ],
        roles: roles.map((role) => ({ name: role, prefixes: [grantOf(role as EtcdRole)] })),
    };
}

function grantOf(role: EtcdRole): EtcdAccessPlan["roles"][number]["prefixes"][number] {
    switch (role) {
        case "nodes":
            return { prefix: nodesPrefix, access: "readwrite" };
        case "balancer":
            return { prefix: applicationsPrefix, access: "read" };
        default:
            return { prefix: `${applicationsPrefix}${role.slice("app-".length)}/`, access: "readwrite" };
    }
}

function roleProblem(role: string): ArgumentProblem[] {
    return role === "nodes" || role === "balancer" || /^app-[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(role)
        ? []
        : [
              {
                  propertyPath: "passwords",
                  reason:
                      `${role} is no role; an application's is app- and its name of at most 32 lower-case letters, ` +
                      "digits and hyphens, which begins with a letter and does not end with a hyphen",
              },
          ];
}

export interface EtcdAccessOptions {
    /** How a member reaches its cluster. */
    etcd: Pick<EtcdClient, "endpoints"> & Partial<Pick<EtcdClient, "caFile" | "certificateFile" | "keyFile">>;
    /** Seconds that the cluster has to answer. Default: 60. */
    timeout?: number;
    /** Leaves users and roles of earlier plans, for machines that still use them. Default: false. */
    keep?: boolean;
}

/**
 * A command, and its input, that makes etcd's users and roles what the plan says, and turns authentication on: run on a
 * machine of the cluster, as often as you like. It prints what it created, updated and removed as JSON. The secrets are
 * in the input alone. Pure.
 */
export function etcdAccessCommand(
    plan: EtcdAccessPlan,
    { etcd, timeout = 60, keep = false }: EtcdAccessOptions,
): { create: string; stdin: string } {
    const { endpoints, caFile, certificateFile, keyFile } = { ...etcdClientFiles, ...etcd };
    const argument = {
        etcd: { endpoints, ca: caFile, certificate: certificateFile, key: keyFile },
        timeout,
        keep,
    };
    return scriptProgram(["acl.py", "etcd_api.py", "etcd_auth.py"], argument, "main", plan, "etcd");
}

export interface EtcdAccessControlArgs {
    /** A member: the plan is carried out there. */
    machine: Machine;
    /** Holds secrets. */
    plan: pulumi.Input<EtcdAccessPlan>;
    endpoints: pulumi.Input<readonly string[]>;
    keep: boolean;
}

/** @param opts the members have to be there before: `dependsOn` their gates */
export function etcdAccessControl(
    name: string,
    { machine, plan, endpoints, keep }: EtcdAccessControlArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const input = pulumi
        .all([plan, endpoints])
        .apply(([known, all]) => etcdAccessCommand(known, { etcd: { endpoints: all }, keep }));
    return ensure(name, machine, input, opts);
}
