import * as linode from "@pulumi/linode";
import * as pulumi from "@pulumi/pulumi";

import { hostLabel } from "../../../toolchain/linode/names";

export interface LinodeNamesArgs {
    /** A domain of the account, e.g. `example.org`. */
    domain: string;
    /** What the lab is called there. */
    stack: string;
}

/** Seconds for which resolvers keep a record: an address may be another after a replacement. The API knows few values. */
const timeToLive = 300;

/** Names of one lab in a domain of the account: `<stack>.<domain>`, and what is below. */
export class LinodeRecords extends pulumi.ComponentResource {
    private readonly zone: string;
    private readonly domainId: pulumi.Output<number>;

    constructor(
        private readonly label: string,
        private readonly args: LinodeNamesArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:machines:LinodeRecords", label, {}, opts);
        this.zone = hostLabel(args.stack);
        this.domainId = linode
            .getDomainOutput({ domain: args.domain }, { parent: this })
            .apply(({ id }) => id!);
        this.registerOutputs();
    }

    /**
     * Gives an address a name.
     *
     * @param name what stands before `<stack>.<domain>`; that itself without
     * @returns the whole name, known when there is the record
     */
    add(address: pulumi.Input<string>, name?: string): pulumi.Output<string> {
        const local = name === undefined ? this.zone : `${name}.${this.zone}`;
        const record = new linode.DomainRecord(
            `${this.label}-${name ?? "lab"}`,
            {
                domainId: this.domainId,
                recordType: "A",
                name: local,
                target: address,
                ttlSec: timeToLive,
            },
            { parent: this, deleteBeforeReplace: true },
        );
        return record.id.apply(() => `${local}.${this.args.domain}`);
    }
}
