import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { dockerRole, machineConfig, renderUserData, unit } from "../../../cloud-init";
import {
    type Application,
    type ApplicationUnitsArgs,
    instanceKey,
} from "../../../components/applications/units";
import { prepareContext } from "../../../components/images/bundle";
import { imageReference } from "../../../toolchain/images";
import { findTool } from "../../support/agents";
import { output, root as checkout, run } from "../../support/command";
import { eventually } from "../../support/poll";
import type { Root } from "../balancers/node-files";
import { RoutedMachine } from "../balancers/node-machine";

const images = [1, 2].map((version) => `gatehouse-test/hello-${process.pid}:${version}`);

/** Seconds between the end of an instance's key and its own: more than a busy computer is away for. */
export const deregisterDelay = 3;

/** Without users: what they may is of no concern here. */
const etcdUnit = `[Service]
Type=notify
ExecStart=/opt/etcd --data-dir=/var/lib/etcd-test --log-level=warn --unsafe-no-fsync
Restart=always
`;

/** Asks every instance that etcd names, as a balancer does that hears of changes at once, until it is told to stop. */
const load = `
import base64, http.client, json, os, time, urllib.request
def question(path, body):
    request = urllib.request.Request("http://127.0.0.1:2379/v3/" + path, json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request, timeout=5))
def b64(text):
    return base64.b64encode(text.encode()).decode()
requests, failures, fewest = 0, [], 99
while not os.path.exists("/tmp/stop"):
    if requests > 0:
        open("/tmp/asked", "w").close()
    found = question("kv/range", {"key": b64("/apps/webapp/"), "range_end": b64("/apps/webapp0")}).get("kvs", [])
    fewest = min(fewest, len(found))
    for each in found:
        name, address = base64.b64decode(each["value"]).decode().split()
        requests += 1
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/")
            answer = connection.getresponse()
            if answer.status != 200 or name not in answer.read().decode():
                failures.append(f"{name}: {answer.status}")
        except OSError as error:
            failures.append(f"{name}: {error}")
    time.sleep(0.01)
print(json.dumps({"requests": requests, "failures": failures, "fewest": fewest}))
`;

export interface LoadReport {
    requests: number;
    failures: string[];
    /** Instances that etcd named, at the least. */
    fewest: number;
}

/** A web server with Docker, the image of the application in two versions, and an etcd of its own. */
export class WebMachine extends RoutedMachine {
    readonly images = images as [string, string];

    override async boot(): Promise<void> {
        const context = join(checkout, prepareContext("hello"));
        const parent = `PARENT=${imageReference("node")}`;
        const tags = images.flatMap((each) => ["--tag", each]);
        await output("docker", ["build", "--quiet", ...tags, "--build-arg", parent, context]);
        await super.boot((root) => this.prepare(root));
        const pipe = `docker save ${images.join(" ")} | docker exec --interactive ${this.name} docker load`;
        await output("sh", ["-euc", pipe]);
    }

    private prepare(root: Root): void {
        // Here, containers do run.
        for (const unit of ["docker.service", "docker.socket", "containerd.service"]) {
            rmSync(join(root.folder, "etc/systemd/system", unit));
        }
        const config = machineConfig(dockerRole(), { write_files: unit("etcd-test.service", etcdUnit) });
        const document = renderUserData({ ...config, preserve_hostname: true });
        root.write("var/lib/cloud/seed/nocloud/user-data", document);
        mkdirSync(join(root.folder, "opt"), { recursive: true });
        copyFileSync(findTool("etcd"), join(root.folder, "opt/etcd"));
        root.write("opt/load.py", load);
    }

    args(instances: readonly number[], more: Partial<Application> = {}): ApplicationUnitsArgs {
        const nowhere = { caFile: "/none", certificateFile: "/none", keyFile: "/none" };
        return {
            node: { name: "web-1", address: this.address },
            application: { name: "webapp", image: this.images[0], ...more },
            instances,
            etcd: { endpoints: ["http://127.0.0.1:2379"], ...nowhere, user: "app-webapp", password: "none" },
            lease: 5,
            deregisterDelay,
        };
    }

    /** The values of the keys. */
    async registered(): Promise<string[]> {
        const key = (text: string): string => Buffer.from(text).toString("base64");
        const body = JSON.stringify({ key: key("/apps/webapp/"), range_end: key("/apps/webapp0") });
        const answer = await this.inside(
            ...["curl", "--silent", "--fail", "--data", body, "http://127.0.0.1:2379/v3/kv/range"],
        );
        const { kvs = [] } = JSON.parse(answer) as { kvs?: { value: string }[] };
        return kvs.map(({ value }) => Buffer.from(value, "base64").toString()).sort();
    }

    /** The status that an instance answers with just when its key is gone. */
    async statusWithoutKey(instance: number, port: number): Promise<string> {
        const key = Buffer.from(instanceKey("webapp", instance)).toString("base64");
        const script = `
            while curl -s -d '{"key":"${key}"}' http://127.0.0.1:2379/v3/kv/range | grep -q kvs; do :; done
            curl -s -o /dev/null -w '%{http_code}' http://${this.address}:${port}/`;
        return this.inside("sh", "-c", script);
    }

    containers(...more: string[]): Promise<string> {
        return this.inside("docker", "ps", "--format", "{{.Names}} {{.Image}}", ...more);
    }

    /** Seconds of the machine's clock at which a unit has last said something. */
    async said(unit: string, pattern: RegExp): Promise<number> {
        const flags = ["--unit", unit, "--output=json", "--output-fields=MESSAGE", "--no-pager"];
        const lines = (await this.inside("journalctl", ...flags))
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { MESSAGE: string; __MONOTONIC_TIMESTAMP: string });
        const found = lines.filter(({ MESSAGE }) => pattern.test(MESSAGE)).at(-1);
        if (!found) {
            throw new Error(`${unit} has said only: ${lines.map(({ MESSAGE }) => MESSAGE).join(" | ")}`);
        }
        return Number(found.__MONOTONIC_TIMESTAMP) / 1e6;
    }

    /** What balancers see meanwhile. */
    async underLoad(work: () => Promise<void>): Promise<LoadReport> {
        return JSON.parse(await this.whileAsking(["python3", "/opt/load.py"], work)) as LoadReport;
    }

    /** Instances whose registrations run, and no others. */
    async has(...instances: number[]): Promise<void> {
        const wanted = instances.map((each, place) => `webapp-${each} ${this.address}:${9000 + place}`);
        await eventually(
            `etcd has ${wanted.join(", ")}`,
            async () => {
                const found = await this.registered();
                if (found.join() !== wanted.join()) {
                    throw new Error(`it has ${found.join(", ")}`);
                }
            },
            { within: 60 },
        );
    }

    override async remove(): Promise<void> {
        await super.remove();
        await run("docker", ["image", "rm", "--force", ...images]);
    }
}
