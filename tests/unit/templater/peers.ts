import { imageReference } from "../../../toolchain/images";
import { output, run } from "../../support/command";

const firstPort = 10_001;

/** Many small web servers in one container of their own; each says on which port it was asked, in `X-Instance`. */
export class Peers {
    private constructor(
        private readonly name: string,
        readonly address: string,
        readonly ports: readonly number[],
    ) {}

    static async start(count: number): Promise<Peers> {
        const name = `gatehouse-test-peers-${process.pid}`;
        const last = firstPort + count - 1;
        // HAProxy answers as many ports as it is told, and costs less than a thousand servers of any other kind.
        const configuration = `
defaults
    mode http
    timeout client 1m
    timeout connect 1s
    timeout server 1s

frontend peers
    bind :${firstPort}-${last}
    http-request return status 200 content-type text/plain hdr X-Instance "%[dst_port]" string ok
`;
        await output("docker", [
            ...["run", "--detach", "--name", name, "--label", `dev.gatehouse.stack=${name}`],
            ...["--env", `CONFIGURATION=${configuration}`, "--entrypoint", "/bin/sh"],
            ...[imageReference("haproxy-base"), "-c"],
            'echo "$CONFIGURATION" > /tmp/haproxy.cfg; exec haproxy -f /tmp/haproxy.cfg',
        ]);
        const address = await output("docker", [
            ...["inspect", "--format", "{{.NetworkSettings.IPAddress}}", name],
        ]);
        return new Peers(
            name,
            address.trim(),
            Array.from({ length: count }, (_, index) => firstPort + index),
        );
    }

    async remove(): Promise<void> {
        await run("docker", ["rm", "--force", this.name]);
    }
}
