import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import type { AuthorityGenerations } from "../security/ca-rotation";
import type { Validity } from "../security/expiry";
import { type Certificate, CertificateAuthority } from "../security/pki";

/** Who believes whom: Consul's agents each other, Nomad's agents each other, operators the endpoint. */
export type CertificatePurpose = "consul" | "nomad" | "operators";

export interface CertificateSettings {
    /** Days for which a certificate is valid. */
    lifetimeDays: number;
    /** Days before its end from which an `up` renews it. */
    earlyRenewalDays: number;
    /** Another number makes new keys and certificates, taken over one node after the other. */
    rotation: number;
    /** Which generations of the CAs there are. From one update to the next as `authorityStep` says. */
    authorities: AuthorityGenerations;
}

export interface ClusterCertificatesArgs extends CertificateSettings {
    /** Consul's; its servers' certificates are made for it. */
    datacenter: string;
    /** Nomad's; its agents' certificates are made for it. */
    region: string;
}

/** A certificate and its key (PEM), as a machine gets them. */
type Issued = Pick<Certificate, "certPem" | "keyPem">;

/** What a machine has to show. */
export interface NodeCertificates {
    /** A server's; clients fetch theirs from a server. */
    consul: Issued | undefined;
    nomad: Issued;
    /** That of the machine with the operators' endpoint. */
    operators: Issued | undefined;
}

/** A CA for each purpose, and the certificates that machines get of them. */
export class ClusterCertificates {
    /** What is to be trusted (PEM). */
    readonly bundles: Readonly<Record<CertificatePurpose, pulumi.Output<string>>>;

    private readonly authorities: Record<CertificatePurpose, CertificateAuthority>;

    /** @param opts its resources are children of `parent` */
    constructor(
        private readonly args: ClusterCertificatesArgs,
        opts: pulumi.ComponentResourceOptions,
    ) {
        const { signing, trusted } = args.authorities;
        const authority = (purpose: CertificatePurpose) =>
            new CertificateAuthority(
                `${purpose}-ca`,
                { commonName: `Gatehouse ${purpose}`, generation: signing, alsoTrusted: trusted },
                opts,
            );
        this.authorities = {
            consul: authority("consul"),
            nomad: authority("nomad"),
            operators: authority("operators"),
        };
        const { consul, nomad, operators } = this.authorities;
        this.bundles = {
            consul: consul.bundlePem,
            nomad: nomad.bundlePem,
            operators: operators.bundlePem,
        };
    }

    /** The certificates that there are by now, those of the CAs among them. */
    get validities(): readonly Validity[] {
        return Object.values(this.authorities).flatMap(({ validities }) => validities);
    }

    /** Makes a machine's certificates. To be called once for each machine. */
    issue(machine: Machine, role: { server: boolean; operators: boolean }): NodeCertificates {
        const { datacenter, region } = this.args;
        const { name } = machine;
        return {
            consul: role.server
                ? this.certificate("consul", name, [
                      `server.${datacenter}.consul`,
                      `${name}.server.${datacenter}.consul`,
                  ])
                : undefined,
            nomad: this.certificate("nomad", name, [`${role.server ? "server" : "client"}.${region}.nomad`]),
            operators: role.operators
                ? this.certificate("operators", name, [name], [machine.privateAddress, machine.publicAddress])
                : undefined,
        };
    }

    private certificate(
        purpose: CertificatePurpose,
        node: string,
        names: string[],
        addresses: pulumi.Input<string>[] = [],
    ): Issued {
        const { lifetimeDays, earlyRenewalDays, rotation } = this.args;
        const { certPem, keyPem } = this.authorities[purpose].issue(node, {
            commonName: names[0]!,
            dnsNames: [...names, "localhost"],
            // In a container a machine is reached on loopback: one name twice.
            ipAddresses: pulumi.all(["127.0.0.1", ...addresses]).apply((all) => [...new Set(all)]),
            usages: purpose === "operators" ? ["server"] : ["server", "client"],
            lifetimeDays,
            earlyRenewalDays,
            rotation,
        });
        return { certPem, keyPem };
    }
}
