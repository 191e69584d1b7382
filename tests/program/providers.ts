import * as pulumi from "@pulumi/pulumi";

import { secretMark, type Computed } from "../support/mocks";

const { specialSecretSig, specialSigKey } = pulumi.runtime;

/** A value that its provider marks as secret. */
function secret(value: unknown): unknown {
    return { [specialSigKey]: specialSecretSig, value };
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
        privateKeyPem: secret(`${secretMark}${name}-pem`),
        publicKeyOpenssh: `ssh-ed25519 AAAA ${name}\n`,
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
    "nomad:index/job:Job": (_, inputs) => ({
        name: /^job "([^"]+)"/m.exec(String(inputs["jobspec"]))?.[1],
        status: "running",
        deploymentStatus: "successful",
    }),
    "nomad:index/variable:Variable": () => ({}),
};
