import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { packed, scriptCommand, scriptSources } from "../components/clusters/node-script";
import { UserError } from "../toolchain/errors";
import type { Remote } from "./servers";
import type { Running } from "./system";

/** Where members have what the restore is about. Others are for tests. */
export interface MemberPlaces {
    /** The member's settings (components/clusters/etcd/member.ts). */
    settings: string;
    /** A folder in memory, for the snapshot in plain text. */
    scratch: string;
    /** Seconds that the members have to come back. */
    patience: number;
}

const usual: MemberPlaces = {
    settings: "/etc/etcd/member.json",
    scratch: "/run/gatehouse-restore",
    patience: 60,
};

type Phase = "prepare" | "stop" | "exchange" | "start" | "undo" | "tidy";

/**
 * etcd takes no snapshot while it runs: every member restores it beside its data, all stop, exchange the data, and start
 * as a new cluster with the old one's members (components/clusters/files/etcd_restore.py). Users cannot reach it for
 * these seconds. If it does not come back so, the former data do.
 *
 * @param snapshot the snapshot in plain text
 * @throws UserError that says whether anything has changed
 */
export async function restoreIntoEtcd(
    { servers, silent }: Pick<Running, "servers" | "silent">,
    snapshot: string,
    say: (line: string) => void,
    places = usual,
): Promise<void> {
    const away = Object.entries(silent).map(([name, why]) => `${name} cannot be asked: ${why}`);
    if (away.length > 0 || servers.length === 0) {
        throw new UserError(
            `nothing was changed: etcd gets a snapshot's data on all of its members at once\n    ${away.join("\n    ")}`,
            '"make up" with REFRESH=1 replaces machines that are gone; then restore again',
        );
    }
    const members = new Members(servers, `gatehouse-restored-${randomUUID()}`, places);
    try {
        await members.send(readFileSync(snapshot));
        await members.all("prepare");
    } catch (error) {
        await members.all("tidy").catch(() => undefined);
        throw new UserError(`nothing was changed: ${(error as Error).message}`);
    } finally {
        await members.forgetSnapshot();
    }
    say("etcd: all members have the snapshot beside their data, and stop");
    try {
        await members.all("stop");
        await members.all("exchange");
        await members.all("start");
    } catch (error) {
        throw new UserError(
            `etcd did not come back with the snapshot's data: ${(error as Error).message}\n    ${await members.back()}`,
            "look at journalctl -u etcd on the members",
        );
    }
    say("etcd has the snapshot's data; /var/lib/etcd/before-* on the members has the former");
}

class Members {
    private readonly program = packed(scriptSources(["etcd_api.py", "etcd_restore.py"]).join("\n\n"));
    private readonly file: string;

    constructor(
        private readonly servers: readonly Remote[],
        private readonly token: string,
        private readonly places: MemberPlaces,
    ) {
        this.file = `${places.scratch}/snapshot`;
    }

    async send(content: Buffer): Promise<void> {
        const { scratch } = this.places;
        const take = `umask 077 && rm -rf ${scratch} && mkdir ${scratch} && cat > ${this.file}`;
        await this.each((server) => server.feed(take, content));
    }

    async forgetSnapshot(): Promise<void> {
        await this.each((server) => server.feed(`rm -rf ${this.places.scratch}`, "")).catch(() => undefined);
    }

    /** One phase on all members. Ends when it has ended on each. */
    async all(phase: Phase): Promise<void> {
        const { settings, patience } = this.places;
        const order = { phase, settings, patience, snapshot: this.file, token: this.token };
        await this.each((server) => server.feed(scriptCommand(order), this.program));
    }

    /** What became of putting the former data back. */
    async back(): Promise<string> {
        try {
            await this.all("stop");
            await this.all("undo");
            await this.all("start");
            return "the members have their former data again";
        } catch (error) {
            return `nor with the former data: ${(error as Error).message}`;
        }
    }

    private async each(work: (server: Remote) => Promise<unknown>): Promise<void> {
        const ended = await Promise.allSettled(this.servers.map(work));
        const failed = ended.find((each) => each.status === "rejected");
        if (failed !== undefined) {
            throw failed.reason;
        }
    }
}
