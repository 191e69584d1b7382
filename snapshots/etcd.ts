import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../toolchain/errors";
import { Api, type Credentials } from "./api";
import { restoreIntoEtcd } from "./etcd-into";
import { etcdInventory } from "./etcd-inventory";
import { freePorts } from "./free-ports";
import { rehearsalNode } from "./inventory";
import type { RehearsalArgs, System } from "./system";
import { launch, within } from "./throwaway";

export const etcd: System = {
    name: "etcd",
    inspect: ["etcdctl", "snapshot", "status", "--write-out=json"],
    index: ["revision"],
    flaw: (path) => (hasItsSum(path) ? undefined : "its content has not the checksum that it ends with"),
    rehearse: async (snapshot, args) => etcdInventory(await startThrowaway(snapshot, args)),
    running: async (environment) => etcdInventory(await runningEtcd(environment)),
    stranger: (_, { counts }, index) => {
        const revision = counts?.["revision"] ?? 0;
        return revision < index
            ? `it is at revision ${revision}, and revisions never go back, but the snapshot is of ${index}`
            : undefined;
    },
    restoreInto: restoreIntoEtcd,
};

/**
 * Whether a snapshot ends with the SHA-256 of all before, as etcd has it. `etcdctl snapshot status` does not look at it,
 * and crashes on a file that is cut short.
 */
function hasItsSum(path: string): boolean {
    const content = readFileSync(path);
    const [data, sum] = [content.subarray(0, -32), content.subarray(-32)];
    return data.length > 0 && createHash("sha256").update(data).digest().equals(sum);
}

/** The first member, as its JSON gateway offers it to operators: with a client certificate and root's password. */
function runningEtcd(environment: Record<string, string>): Promise<Api> {
    return signIn("etcd", environment["ETCDCTL_ENDPOINTS"] ?? "", environment, {
        ca: environment["GATEHOUSE_ETCD_CA"],
        cert: environment["GATEHOUSE_ETCD_CERT"],
        key: environment["GATEHOUSE_ETCD_KEY"],
    });
}

/**
 * An etcd of one member that begins with the snapshot. Its token is new, and so is its cluster's id, which follows from
 * it: no former member could take it for its own cluster. Users and passwords are in the data.
 */
export async function startThrowaway(
    snapshot: string,
    { environment, folder }: Pick<RehearsalArgs, "environment" | "folder">,
): Promise<Api> {
    const [client, peer] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [string, string];
    const birth = [
        `--name=${rehearsalNode}`,
        `--data-dir=${join(folder.path, `etcd-${new URL(client).port}`)}`,
        `--initial-cluster=${rehearsalNode}=${peer}`,
        `--initial-cluster-token=${rehearsalNode}-${randomUUID()}`,
        `--initial-advertise-peer-urls=${peer}`,
    ];
    // It compares the checksum, too, unless it is told not to.
    const restored = spawnSync("etcdctl", ["snapshot", "restore", snapshot, ...birth], {
        encoding: "utf8",
        ...within(folder),
    });
    if (restored.status !== 0) {
        const why = restored.error?.message ?? restored.stderr.trim().split("\n").at(-1);
        throw new UserError(
            `etcd does not restore the snapshot: ${why}`,
            "use an older one (FROM=…), or take another: make snapshot",
        );
    }
    const own = [`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`];
    // The largest that etcd allows: of a full cluster the data have to have room, too.
    const room = [`--quota-backend-bytes=${8 * 2 ** 30}`, "--log-level=warn"];
    let api: Api | undefined;
    await launch("etcd", [...birth, ...own, `--listen-peer-urls=${peer}`, ...room], folder, async () => {
        api = await signIn("the throwaway etcd", client, environment);
    });
    return api!;
}

/**
 * The API as the user of the variables; as nobody where nobody has to say who he is: a new cluster has no users yet.
 *
 * @throws UserError if the password is wrong
 */
async function signIn(
    name: string,
    endpoint: string,
    environment: Record<string, string>,
    credentials: Credentials = {},
): Promise<Api> {
    const api = new Api(name, endpoint, credentials);
    const { ETCDCTL_USER: user = "root", ETCDCTL_PASSWORD: password = "" } = environment;
    try {
        const { token } = await api.post<{ token: string }>("/v3/auth/authenticate", {
            name: user,
            password,
        });
        return new Api(name, endpoint, { ...credentials, token: ["Authorization", token] });
    } catch (error) {
        const { message } = error as Error;
        if (message.includes("authentication is not enabled")) {
            return api;
        }
        if (message.includes("invalid user ID or password")) {
            throw new UserError(
                `${name} takes another password of ${user} than the stack's outputs have`,
                'if the password was changed after the snapshot, take another ("make snapshot"); otherwise "make up" sets it',
            );
        }
        throw error;
    }
}
