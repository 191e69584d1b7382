import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { dockerProvider } from "../../../../plugins/docker/provider";
import type { Values } from "../../../../plugins/lib";
import { initFailureOf, plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";
import { dockerAnswers, tinyImage } from "../../../support/tiny-image";

const containerType = "docker:index/container:Container";
const networkType = "docker:index/network:Network";
const volumeType = "docker:index/volume:Volume";
const imageType = "docker:index/image:Image";

const run = `plugintest${process.pid}`;
const marker = "dev.gatehouse.test";
const labels = [{ label: marker, value: run }];

const docker = (...args: string[]): string =>
    execFileSync("docker", args, { encoding: "utf8", stdio: "pipe" }).trim();

/** Creates as the engine does: check, then create with the checked inputs. */
async function make(
    harness: ProviderHarness,
    type: string,
    inputs: Values,
): Promise<{ id: string; inputs: Values; outputs: Values }> {
    const checked = await harness.check(type, inputs);
    assert.deepEqual(checked.failures, []);
    return { ...(await harness.create(type, checked.inputs)), inputs: checked.inputs };
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
    return promise.then(
        () => assert.fail("it should have failed"),
        (error: Error) => error,
    );
}

describe("docker plugin on a real engine", function () {
    this.timeout(60_000);
    let harness: ProviderHarness;
    let image: string;
    let home: string;
    const previousHome = process.env.PULUMI_HOME;

    before(async function () {
        if (!dockerAnswers()) {
            this.skip();
        }
        home = mkdtempSync(join(tmpdir(), "docker-plugin-"));
        process.env.PULUMI_HOME = home;
        image = tinyImage();
        harness = await ProviderHarness.start(dockerProvider);
    });
    after(() => {
        harness?.close();
        const ids = (kind: string[]): string[] =>
            docker(...kind, "-q", "--filter", `label=${marker}=${run}`)
                .split("\n")
                .filter(Boolean);
        if (home) {
            ids(["ps", "-a"]).forEach((id) => docker("rm", "-fv", id));
            ids(["network", "ls"]).forEach((id) => docker("network", "rm", id));
            ids(["volume", "ls"]).forEach((id) => docker("volume", "rm", id));
            spawnSync("docker", ["rmi", "-f", `${run}/app:v1`]);
            rmSync(home, { recursive: true, force: true });
        }
        if (previousHome === undefined) {
            delete process.env.PULUMI_HOME;
        } else {
            process.env.PULUMI_HOME = previousHome;
        }
    });

    const containerOf = (name: string, more: Values = {}): Values => ({
        name: `${run}-${name}`,
        image,
        labels,
        command: ["sleep", "1000"],
        stopSignal: "SIGKILL",
        ...more,
    });

    it("keeps a volume through its life: create, no change, drift, import, delete twice", async () => {
        const name = `${run}-volume`;
        const volume = await make(harness, volumeType, { name, labels });
        assert.equal(volume.id, name);
        assert.match(volume.outputs.mountpoint as string, /_data$/);
        const read = await harness.read(volumeType, name, volume.outputs, volume.inputs);
        assert.deepEqual(read?.inputs, volume.inputs);
        const imported = await harness.read(volumeType, name);
        const diff = await harness.diff(volumeType, name, imported!.outputs, imported!.inputs, volume.inputs);
        assert.deepEqual(diff.paths, {});
        await harness.delete(volumeType, name, volume.outputs);
        assert.equal(await harness.read(volumeType, name, volume.outputs, volume.inputs), undefined);
        await harness.delete(volumeType, name, volume.outputs);
    });

    it("makes a network whose changes replace it, deleting first where the name stays", async () => {
        const inputs = { name: `${run}-net`, labels, ipamConfigs: [{ subnet: "10.217.3.0/24" }] };
        const network = await make(harness, networkType, inputs);
        assert.equal(network.outputs.driver, "bridge");
        assert.equal(network.outputs.scope, "local");
        const read = await harness.read(networkType, network.id, network.outputs, network.inputs);
        assert.deepEqual(read?.inputs, network.inputs);
        const news = { ...network.inputs, ipamConfigs: [{ subnet: "10.217.4.0/24" }] };
        const diff = await harness.diff(networkType, network.id, network.outputs, network.inputs, news);
        assert.deepEqual(diff.replaces, ["ipamConfigs"]);
        assert.equal(diff.deleteBeforeReplace, true);
        const overlap = await failureOf(make(harness, networkType, { ...inputs, name: `${run}-net2` }));
        assert.match(overlap.message, /overlaps.*choose another/s);
        await harness.delete(networkType, network.id, network.outputs);
        await harness.delete(networkType, network.id, network.outputs);
    });

    it("takes the place of a network that an interrupted run has left, but of no other", async () => {
        const name = `${run}-left`;
        docker("network", "create", "--label", `${marker}=${run}`, name);
        const network = await make(harness, networkType, { name, labels });
        assert.equal(docker("network", "ls", "-q", "--filter", `name=^${name}$`).split("\n").length, 1);
        const other = await failureOf(
            make(harness, networkType, { name, labels: [{ label: marker, value: "another" }] }),
        );
        assert.match(
            other.message,
            new RegExp(`network ${name}: the name is taken.*docker network rm ${name}`),
        );
        await harness.delete(networkType, network.id, network.outputs);
    });

    it("runs a container with files, networks, ports and limits as asked, and finds nothing to change afterwards", async () => {
        const network = await make(harness, networkType, {
            name: `${run}-run`,
            labels,
            ipamConfigs: [{ subnet: "10.217.5.0/24" }],
        });
        const made = await make(
            harness,
            containerType,
            containerOf("full", {
                hostname: "full",
                networksAdvanced: [{ name: `${run}-run`, ipv4Address: "10.217.5.10", aliases: ["also"] }],
                ports: [{ internal: 8080, ip: "127.0.0.1" }],
                uploads: [
                    { file: "/seed/plain", content: "hello\n" },
                    { file: "/seed/secret", content: new Secret("hidden\n"), permissions: "0600" },
                    {
                        file: "/seed/run",
                        contentBase64: Buffer.from("#!").toString("base64"),
                        executable: true,
                    },
                ],
                tmpfs: { "/run": "" },
                memory: 32,
                envs: ["A=1"],
                restart: "unless-stopped",
            }),
        );
        const outputs = plain(made.outputs);
        const [data] = outputs.networkDatas as Values[];
        assert.equal(data?.networkName, `${run}-run`);
        assert.equal(data?.ipAddress, "10.217.5.10");
        const [port] = outputs.ports as Values[];
        assert.ok(Number(port?.external) > 1024);
        assert.deepEqual((made.outputs.uploads as Values[])[1]?.content, new Secret("hidden\n"));
        assert.equal(docker("exec", made.id, "cat", "/seed/plain", "/seed/secret"), "hello\nhidden");
        assert.equal(
            docker("exec", made.id, "stat", "-c", "%a", "/seed/plain", "/seed/secret", "/seed/run"),
            "644\n600\n744",
        );

        const read = await harness.read(containerType, made.id, made.outputs, made.inputs);
        assert.deepEqual(plain(read!.inputs), plain(made.inputs));
        assert.deepEqual((read!.inputs.uploads as Values[])[1]?.content, new Secret("hidden\n"));
        const diff = await harness.diff(containerType, made.id, read!.outputs, read!.inputs, made.inputs);
        assert.deepEqual(diff.paths, {});

        await harness.delete(containerType, made.id, made.outputs);
        await harness.delete(networkType, network.id, network.outputs);
    });

    it("changes limits and the restart policy in place, and finds them changed by hand", async () => {
        const made = await make(harness, containerType, containerOf("limits", { memory: 32 }));
        const news = { ...made.inputs, memory: 64, restart: "always" };
        const diff = await harness.diff(containerType, made.id, made.outputs, made.inputs, news);
        assert.deepEqual(diff.paths, { memory: "UPDATE", restart: "UPDATE" });
        const outputs = await harness.update(containerType, made.id, made.outputs, made.inputs, news);
        assert.equal(
            docker("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}", made.id),
            `${64 * 1024 * 1024} always`,
        );
        docker("update", "--restart", "no", made.id);
        const read = await harness.read(containerType, made.id, outputs, news);
        assert.equal(read?.inputs.restart, "no");
        const replaced = await harness.diff(containerType, made.id, outputs, news, {
            ...news,
            command: ["sleep", "2"],
        });
        assert.deepEqual(replaced.replaces, ["command"]);
        assert.equal(replaced.deleteBeforeReplace, true);
        await harness.delete(containerType, made.id, outputs);
    });

    it("plans the start of a container that was stopped by hand, and forgets one that was removed", async () => {
        const made = await make(harness, containerType, containerOf("stopped"));
        docker("stop", "-t", "0", made.id);
        const read = await harness.read(containerType, made.id, made.outputs, made.inputs);
        const diff = await harness.diff(containerType, made.id, read!.outputs, read!.inputs, made.inputs);
        assert.deepEqual(diff.paths, { mustRun: "UPDATE" });
        await harness.update(containerType, made.id, read!.outputs, read!.inputs, made.inputs);
        assert.equal(docker("inspect", "-f", "{{.State.Running}}", made.id), "true");
        docker("rm", "-f", made.id);
        assert.equal(await harness.read(containerType, made.id, made.outputs, made.inputs), undefined);
        await harness.delete(containerType, made.id, made.outputs);
    });

    it("tells the last words of a container that exits at once, and leaves none behind", async () => {
        const inputs = containerOf("dying", { command: ["sh", "-c", "echo the reason; exit 3"] });
        // The plugin looks a moment after the start. It runs in this process, so that it comes to that when this lets it:
        // not while the container still runs, which on a busy machine may be longer than a moment.
        const status = (): string =>
            spawnSync("docker", ["inspect", "-f", "{{.State.Status}}", `${run}-dying`], { encoding: "utf8" })
                .stdout;
        const hold = setInterval(() => {
            while (status().trim() === "running");
        }, 10);
        const error = await failureOf(make(harness, containerType, inputs)).finally(() =>
            clearInterval(hold),
        );
        assert.match(error.message, /exited at once with code 3[^]*the reason/);
        assert.equal(initFailureOf(error), undefined);
        assert.equal(docker("ps", "-aq", "--filter", `name=${run}-dying`), "");
    });

    it("waits for health, and keeps an unhealthy container for a look at it", async () => {
        const healthcheck = {
            tests: ["CMD-SHELL", "echo not yet; test -e /ready"],
            interval: "100ms",
            retries: 2,
        };
        const inputs = containerOf("health", { healthcheck, wait: true, waitTimeout: 5 });
        const error = await failureOf(make(harness, containerType, inputs));
        assert.match(error.message, /not healthy after 5 s \(waitTimeout\)[^]*exit code 1\): not yet/);
        const failure = initFailureOf(error);
        assert.ok(failure);
        assert.equal(docker("inspect", "-f", "{{.State.Running}}", failure.id), "true");
        // The next run's update looks again.
        docker("exec", failure.id, "sh", "-c", "echo > /ready");
        const { inputs: checked } = await harness.check(containerType, inputs);
        const outputs = await harness.update(containerType, failure.id, failure.properties, checked, checked);
        assert.equal(docker("inspect", "-f", "{{.State.Health.Status}}", failure.id), "healthy");
        await harness.delete(containerType, failure.id, outputs);
    });

    it("breaks off its waiting when the user cancels, and keeps what is there", async () => {
        const healthcheck = { tests: ["CMD-SHELL", "exit 1"], interval: "100ms" };
        const creation = failureOf(
            make(
                harness,
                containerType,
                containerOf("cancelled", { healthcheck, wait: true, waitTimeout: 50 }),
            ),
        );
        const before = harness.logs.length;
        const deadline = Date.now() + 20_000;
        while (
            !harness.logs
                .slice(before)
                .some((line) => /waiting to be healthy/.test(line.message) && line.ephemeral)
        ) {
            assert.ok(Date.now() < deadline, "it never waited");
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await harness.cancel();
        const error = await creation;
        assert.match(error.message, /cancelled/);
        const failure = initFailureOf(error);
        assert.ok(failure);
        await harness.delete(containerType, failure.id, failure.properties);
    });

    it("replaces a container that a killed run has left, but none that may be someone's", async () => {
        const name = `${run}-leftover`;
        const start = (): string =>
            docker("run", "-d", "--name", name, "--label", `${marker}=${run}`, image, "sleep", "1000");
        const foreign = start();
        const refused = await failureOf(make(harness, containerType, containerOf("leftover")));
        assert.match(refused.message, new RegExp(`${name} is taken.*docker rm -f ${name}`));
        assert.equal(docker("inspect", "-f", "{{.State.Running}}", foreign), "true");

        // What a process writes while it makes a container; this one has ended.
        const ended = spawnSync("true").pid;
        mkdirSync(join(home, "docker-containers-in-the-making"), { recursive: true });
        writeFileSync(join(home, "docker-containers-in-the-making", foreign), `${ended}\n`);
        const made = await make(harness, containerType, containerOf("leftover"));
        assert.notEqual(made.id, foreign);
        assert.equal(existsSync(join(home, "docker-containers-in-the-making", foreign)), false);
        await harness.delete(containerType, made.id, made.outputs);
    });

    it("names the image that does not exist, and the port that is taken", async () => {
        const missing = await failureOf(
            make(harness, containerType, containerOf("none", { image: "127.0.0.1:9/none:1" })),
        );
        assert.match(missing.message, /there is no image 127\.0\.0\.1:9\/none:1.*Check the reference/s);
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        try {
            const { port } = server.address() as AddressInfo;
            const ports = [{ internal: 80, external: port, ip: "127.0.0.1" }];
            const taken = await failureOf(make(harness, containerType, containerOf("taken", { ports })));
            assert.match(taken.message, /in use.*stop it, or choose another/s);
        } finally {
            server.close();
        }
        assert.equal(docker("ps", "-aq", "--filter", `name=${run}-taken`), "");
    });

    it("imports a container by its name", async () => {
        const made = await make(
            harness,
            containerType,
            containerOf("import", { hostname: "imported", envs: ["A=1"] }),
        );
        const imported = await harness.read(containerType, `${run}-import`);
        assert.equal(imported?.id, made.id);
        assert.equal(imported.inputs.image, image);
        assert.deepEqual(imported.inputs.labels, labels);
        // The image's own variables are in the container as well, and cannot be told from the program's.
        const without = ({ ...inputs }: Values): Values => ({ ...inputs, envs: [] });
        const diff = await harness.diff(
            containerType,
            made.id,
            imported.outputs,
            without(imported.inputs),
            without(made.inputs),
        );
        assert.deepEqual(diff.paths, {});
        await harness.delete(containerType, made.id, made.outputs);
    });

    it("refuses what it does not cover, by name", async () => {
        const { failures } = await harness.check(containerType, {
            ...containerOf("refused"),
            gpus: "all",
            restart: "sometimes",
            uploads: [{ file: "/x" }],
            healthcheck: { tests: ["CMD", "true"], interval: "often" },
        });
        assert.deepEqual(failures.map((failure) => failure.property).sort(), [
            "gpus",
            "healthcheck.interval",
            "restart",
        ]);
        const { failures: uploads } = await harness.check(containerType, {
            ...containerOf("u"),
            uploads: [{ file: "/x" }],
        });
        assert.match(uploads[0]?.reason ?? "", /uploads\[0\] needs exactly one of content/);
    });

    it("accepts unknown values while planning", async () => {
        const planned = await harness.check(containerType, {
            ...containerOf("unknown"),
            image: UNKNOWN,
            uploads: [{ file: "/x", content: UNKNOWN }],
            ports: [{ internal: 1 }],
            networksAdvanced: UNKNOWN,
        });
        assert.deepEqual(planned.failures, []);
        const { outputs } = await harness.create(containerType, planned.inputs, { preview: true });
        assert.equal(outputs.image, UNKNOWN);
        assert.equal(outputs.ports, UNKNOWN);
        assert.equal(outputs.networkDatas, UNKNOWN);
        assert.equal(outputs.name, `${run}-unknown`);
    });

    it("says what to do when no engine answers", async () => {
        const lonely = await ProviderHarness.start(dockerProvider, { host: "unix:///nowhere/docker.sock" });
        try {
            const error = await failureOf(lonely.create(volumeType, { name: "v" }));
            assert.match(error.message, /no Docker engine answers at unix:\/\/\/nowhere.*DOCKER_HOST/);
        } finally {
            lonely.close();
        }
    });

    describe("images", () => {
        let folder: string;
        beforeEach(() => {
            folder = mkdtempSync(join(tmpdir(), "docker-image-"));
            writeFileSync(
                join(folder, "Dockerfile"),
                "ARG PARENT\nFROM ${PARENT}\nCOPY app /app\nRUN cat /app\n",
            );
            writeFileSync(join(folder, "app"), "one\n");
        });
        afterEach(() => rmSync(folder, { recursive: true }));

        const inputsOf = (): Values => ({
            imageName: `${run}/app:v1`,
            skipPush: true,
            build: { context: folder, args: { PARENT: image } },
        });

        it("builds, and builds again when a file has changed", async () => {
            const made = await make(harness, imageType, inputsOf());
            assert.match(made.outputs.repoDigest as string, /^sha256:[0-9a-f]{64}$/);
            assert.equal(docker("run", "--rm", `${run}/app:v1`, "cat", "/app"), "one");
            const same = await harness.check(imageType, inputsOf());
            const none = await harness.diff(imageType, made.id, made.outputs, made.inputs, same.inputs);
            assert.equal(none.changed, false);

            writeFileSync(join(folder, "app"), "two\n");
            const { inputs } = await harness.check(imageType, inputsOf());
            const diff = await harness.diff(imageType, made.id, made.outputs, made.inputs, inputs);
            assert.deepEqual(diff.paths, { "build.contextDigest": "UPDATE" });
            const planned = await harness.update(imageType, made.id, made.outputs, made.inputs, inputs, {
                preview: true,
            });
            assert.equal(planned.repoDigest, UNKNOWN);
            const updated = await harness.update(imageType, made.id, made.outputs, made.inputs, inputs);
            assert.notEqual(updated.repoDigest, made.outputs.repoDigest);
        });

        it("shows the last lines of a build that fails", async () => {
            writeFileSync(join(folder, "Dockerfile"), `FROM ${image}\nRUN echo the cause; exit 7\n`);
            const error = await failureOf(make(harness, imageType, inputsOf()));
            assert.match(error.message, /returned a non-zero code: 7[^]*last lines:[^]*the cause/);
        });

        it("does not rebuild for other credentials", async () => {
            const withPassword = (password: string): Values => ({
                ...inputsOf(),
                registry: { server: "r", username: "u", password: new Secret(password) },
            });
            const first = await harness.check(imageType, withPassword("a"));
            const second = await harness.check(imageType, withPassword("b"));
            const diff = await harness.diff(imageType, "i", first.inputs, first.inputs, second.inputs);
            assert.equal(diff.changed, false);
        });

        it("refuses a missing Dockerfile, a name without registry, and BuildKit", async () => {
            const { failures } = await harness.check(imageType, {
                imageName: "app:v1",
                build: { context: folder, dockerfile: "Dockerfile.none" },
            });
            assert.deepEqual(failures.map((failure) => failure.property).sort(), [
                "build.dockerfile",
                "imageName",
            ]);
            const kit = await harness.check(imageType, {
                ...inputsOf(),
                build: { context: folder, builderVersion: "BuilderBuildKit" },
            });
            assert.match(kit.failures[0]?.reason ?? "", /classic builder only/);
        });
    });
});
