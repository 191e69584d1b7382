import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import { secretMark, secretMarks, type Computed } from "../support/mocks";

const { specialSecretSig, specialSigKey } = pulumi.runtime;

/** A value that its provider marks as secret. */
function secret(value: unknown): unknown {
    return { [specialSigKey]: specialSecretSig, value };
}

/** Random bytes whose text begins with a mark. */
function marked(name: string, encoding: "base64" | "hex", length: number): string {
    const random = createHash("sha512").update(name).digest(encoding);
    return Buffer.from(secretMarks[encoding] + random, encoding)
        .subarray(0, length)
        .toString(encoding);
}

function certificate(name: string): Record<string, unknown> {
    return {
        certPem: `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`,
        validityEndTime: "2036-01-01T00:00:00Z",
    };
}

/** What the providers would answer, for every resource type that the program uses. */
export const computed: Computed = {
    "pulumi:providers:consul": () => ({}),
    "pulumi:providers:nomad": () => ({}),
    "docker:index/network:Network": () => ({}),
    "docker:index/volume:Volume": () => ({ mountpoint: "/var/lib/docker/volumes/x" }),
    "docker:index/container:Container": () => ({ bridge: "", exitCode: 0 }),
    "docker:index/image:Image": (_, inputs) => ({
        baseImageName: inputs["imageName"],
        repoDigest: `${String(inputs["imageName"])}@sha256:${"0123456789abcdef".repeat(4)}`,
    }),
    "tls:index/privateKey:PrivateKey": (name) => ({
        privateKeyOpenssh: secret(`${secretMark}${name}`),
        privateKeyPem: secret(
            `-----BEGIN PRIVATE KEY-----\n${secretMark}${name}-pem\n-----END PRIVATE KEY-----\n`,
        ),
        publicKeyOpenssh: `ssh-ed25519 AAAA ${name}\n`,
    }),
    "tls:index/selfSignedCert:SelfSignedCert": certificate,
    "tls:index/certRequest:CertRequest": (name) => ({ certRequestPem: `request of ${name}\n` }),
    "tls:index/locallySignedCert:LocallySignedCert": certificate,
    "random:index/randomBytes:RandomBytes": (name, { length }) => ({
        base64: secret(marked(name, "base64", Number(length))),
        hex: secret(marked(name, "hex", Number(length))),
    }),
    "random:index/randomPassword:RandomPassword": (name) => ({
        result: secret(`${secretMark}${name}`),
        bcryptHash: secret(`${secretMark}${name}-hash`),
    }),
    "command:local:Command": () => ({ stdout: "", stderr: "" }),
    "command:remote:Command": () => ({ stdout: '{"bootSeconds": 9.5}\n', stderr: "" }),
    "consul:index/configEntry:ConfigEntry": () => ({}),
    "consul:index/node:Node": () => ({}),
    "consul:index/service:Service": () => ({}),
    "nomad:index/aclPolicy:AclPolicy": () => ({}),
    "nomad:index/aclToken:AclToken": (name) => ({ secretId: secret(`${secretMark}${name}`) }),
    "nomad:index/job:Job": (_, inputs) => ({
        name: /^job "([^"]+)"/m.exec(String(inputs["jobspec"]))?.[1],
        status: "running",
        deploymentStatus: "successful",
    }),
    "nomad:index/variable:Variable": () => ({}),
};

/** A number for everything at Linode, as its ids are. */
function numbered(name: string): Record<string, unknown> {
    return { id: parseInt(createHash("sha256").update(name).digest("hex").slice(0, 6), 16) };
}

/** Addresses of a machine by its number, so that no two have the same. */
function lastPart(name: string): number {
    return 1 + (Number(numbered(name)["id"]) % 250);
}

/** What Linode's provider would answer besides. */
export const linodeComputed: Computed = {
    ...computed,
    "linode:index/domainRecord:DomainRecord": numbered,
    "linode:index/firewall:Firewall": numbered,
    "linode:index/instance:Instance": (name, { privateIp }) => ({
        ...numbered(name),
        ipAddress: `198.51.100.${lastPart(name)}`,
        privateIpAddress: privateIp === true ? `192.168.130.${lastPart(name)}` : "",
    }),
    "linode:index/nodeBalancer:NodeBalancer": (name) => ({ ...numbered(name), ipv4: "203.0.113.80" }),
    "linode:index/nodeBalancerConfig:NodeBalancerConfig": numbered,
    "linode:index/nodeBalancerNode:NodeBalancerNode": numbered,
    "linode:index/placementGroup:PlacementGroup": numbered,
    "linode:index/vpc:Vpc": numbered,
    "linode:index/vpcSubnet:VpcSubnet": numbered,
};
