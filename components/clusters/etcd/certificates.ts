import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../../machines/machine";
import type { Validity } from "../../security/expiry";
import { type Certificate, CertificateAuthority } from "../../security/pki";
import type { CertificateSettings } from "../cluster-certificates";
import type { NodeFile } from "../node-files";
import { etcdClientFiles } from "./client";

/** A certificate and its key (PEM), as a machine gets them. */
type Issued = Pick<Certificate, "certPem" | "keyPem">;

/**
 * Two CAs: one whose certificates let their holders ask etcd, and one whose certificates make members. None but a peer's
 * has a common name: while authentication is on, etcd's gateway refuses whoever shows one, as it would be a user's name to
 * others.
 */
export class EtcdCertificates {
    /** What is to be trusted (PEM). */
    readonly bundles: Readonly<Record<"clients" | "peers", pulumi.Output<string>>>;

    private readonly clients: CertificateAuthority;
    private readonly peers: CertificateAuthority;

    /** @param opts its resources are children of `parent` */
    constructor(
        private readonly args: CertificateSettings,
        opts: pulumi.ComponentResourceOptions,
    ) {
        const { signing, trusted } = args.authorities;
        const authority = (purpose: "clients" | "peers") =>
            new CertificateAuthority(
                `etcd-${purpose}-ca`,
                { commonName: `Gatehouse etcd ${purpose}`, generation: signing, alsoTrusted: trusted },
                opts,
            );
        this.clients = authority("clients");
        this.peers = authority("peers");
        this.bundles = { clients: this.clients.bundlePem, peers: this.peers.bundlePem };
    }

    /** The certificates that there are by now, those of the CAs among them. */
    get validities(): readonly Validity[] {
        return [...this.clients.validities, ...this.peers.validities];
    }

    /** What a member shows to clients and to its peers. To be called once for each member. */
    member({ name, privateAddress, publicAddress }: Machine): { server: Issued; peer: Issued } {
        return {
            server: issued(
                this.clients.issue(`${name}-server`, {
                    ...this.settings,
                    organization: `etcd ${name}`,
                    dnsNames: [name, "localhost"],
                    // On Docker operators come by loopback. In a container the addresses are one: no name twice.
                    ipAddresses: pulumi
                        .all(["127.0.0.1", privateAddress, publicAddress])
                        .apply((all) => [...new Set(all)]),
                    // As a client: its gateway asks the member itself.
                    usages: ["server", "client"],
                }),
            ),
            peer: issued(
                this.peers.issue(name, {
                    ...this.settings,
                    commonName: name,
                    dnsNames: [name],
                    ipAddresses: [privateAddress],
                    usages: ["server", "client"],
                }),
            ),
        };
    }

    /** What somebody shows who asks etcd. To be called once for each name. */
    client(name: string): Issued {
        return issued(
            this.clients.issue(name, {
                ...this.settings,
                organization: `etcd client ${name}`,
                dnsNames: [name],
                usages: ["client"],
            }),
        );
    }

    /**
     * The files of {@link etcdClientFiles}. A change of them restarts nothing: the machines' scripts read them for every
     * connection, and other programs are to be told by whoever uses them.
     */
    clientFiles(certificate: Issued): pulumi.Output<NodeFile[]> {
        return pulumi
            .all([this.bundles.clients, certificate.certPem, certificate.keyPem])
            .apply(([caPem, certPem, keyPem]) => [
                clientFile(etcdClientFiles.caFile, caPem),
                clientFile(etcdClientFiles.certificateFile, certPem),
                clientFile(etcdClientFiles.keyFile, keyPem),
            ]);
    }

    private get settings() {
        const { lifetimeDays, earlyRenewalDays, rotation } = this.args;
        return { lifetimeDays, earlyRenewalDays, rotation };
    }
}

function issued({ certPem, keyPem }: Certificate): Issued {
    return { certPem, keyPem };
}

function clientFile(path: string, content: string): NodeFile {
    return { path, content, mode: "0640", owner: "root:etcd" };
}
