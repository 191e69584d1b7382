import assert from "node:assert/strict";

import fc from "fast-check";

import {
    createOptions,
    duration,
    nanoseconds,
    networkModeOf,
} from "../../../../plugins/docker/container-config";
import { demultiplex } from "../../../../plugins/docker/container-wait";
import { parseReference } from "../../../../plugins/docker/registry";
import type { ContainerInputs } from "../../../../plugins/docker/container-schema";

const base = {
    name: "c",
    image: "i",
    networkMode: "bridge",
    restart: "no",
} as ContainerInputs;

interface Options {
    HostConfig: Record<string, unknown>;
    NetworkingConfig?: unknown;
}

const optionsOf = (inputs: Partial<ContainerInputs>): Options =>
    createOptions({ ...base, ...inputs }) as unknown as Options;

describe("docker container options", () => {
    it("publishes ports on the addresses asked for", () => {
        const { HostConfig } = optionsOf({
            ports: [
                { internal: 80, external: 8080, ip: "127.0.0.1", protocol: "tcp" },
                { internal: 53, ip: "0.0.0.0", protocol: "udp" },
            ],
        });
        assert.deepEqual(HostConfig.PortBindings, {
            "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
            "53/udp": [{ HostIp: "0.0.0.0", HostPort: "" }],
        });
    });

    it("creates a container on its first network, with its fixed address, never on the default bridge", () => {
        const networksAdvanced = [{ name: "a", ipv4Address: "10.0.0.2", aliases: ["x"] }, { name: "b" }];
        const { HostConfig, NetworkingConfig } = optionsOf({ networksAdvanced });
        assert.equal(HostConfig.NetworkMode, "a");
        assert.deepEqual(NetworkingConfig, {
            EndpointsConfig: { a: { Aliases: ["x"], IPAMConfig: { IPv4Address: "10.0.0.2" } } },
        });
        assert.equal(networkModeOf({ ...base, networkMode: "host" }), "host");
    });

    it("mounts volumes, host paths and anonymous volumes", () => {
        const options = optionsOf({
            volumes: [
                { volumeName: "v", containerPath: "/v" },
                { hostPath: "/h", containerPath: "/x", readOnly: true },
                { containerPath: "/anonymous" },
                { fromContainer: "other" },
            ],
        });
        assert.deepEqual(options.HostConfig.Binds, ["v:/v:rw", "/h:/x:ro"]);
        assert.deepEqual(options.HostConfig.VolumesFrom, ["other:rw"]);
        assert.deepEqual((options as unknown as { Volumes: unknown }).Volumes, { "/anonymous": {} });
    });

    it("gives memory in bytes, and as much swap again", () => {
        assert.equal(optionsOf({ memory: 64 }).HostConfig.Memory, 64 * 1024 * 1024);
        assert.equal(optionsOf({ memory: 64 }).HostConfig.MemorySwap, 128 * 1024 * 1024);
        assert.equal(optionsOf({ memory: 64, memorySwap: -1 }).HostConfig.MemorySwap, -1);
        assert.equal("Memory" in optionsOf({}).HostConfig, false);
    });

    it("reads durations as Go does", () => {
        assert.equal(nanoseconds("1m30s"), 90e9);
        assert.equal(nanoseconds("1.5s"), 1.5e9);
        assert.equal(nanoseconds("200ms"), 200e6);
        assert.equal(nanoseconds("0s"), 0);
    });

    it("writes every duration so that it reads back", () => {
        fc.assert(
            fc.property(fc.integer({ min: 0, max: 10 * 3600 * 1000 }), (milliseconds) => {
                assert.equal(nanoseconds(duration(milliseconds * 1e6)), milliseconds * 1e6);
            }),
        );
    });

    it("takes the engine's log frames apart", () => {
        const frame = (stream: number, text: string): Buffer => {
            const head = Buffer.alloc(8);
            head.writeUInt8(stream, 0);
            head.writeUInt32BE(Buffer.byteLength(text), 4);
            return Buffer.concat([head, Buffer.from(text)]);
        };
        assert.equal(
            demultiplex(Buffer.concat([frame(1, "out\n"), frame(2, "err é\n"), frame(1, "")])),
            "out\nerr é\n",
        );
    });
});

describe("docker image references", () => {
    const cases: [string, ReturnType<typeof parseReference>][] = [
        [
            "127.0.0.1:5000/hello:v1",
            { repository: "127.0.0.1:5000/hello", tag: "v1", registry: "127.0.0.1:5000" },
        ],
        ["localhost/a/b", { repository: "localhost/a/b", tag: "latest", registry: "localhost" }],
        [
            "docker.io/user/image:1.2",
            { repository: "docker.io/user/image", tag: "1.2", registry: "docker.io" },
        ],
        ["hello:v1", undefined],
        ["user/image", undefined],
    ];
    for (const [name, expected] of cases) {
        it(`${name} ${expected ? "names its registry" : "does not say where to push"}`, () => {
            assert.deepEqual(parseReference(name), expected);
        });
    }
});
