import { map, pause, resource, string } from "../lib";
import { call, ifFound, isStatus, type Engine } from "./client";
import { fromMap, labels, toMap, type Label } from "./labels";

interface Inputs {
    name: string;
    labels?: Label[];
    driver?: string;
    driverOpts?: Record<string, string>;
}

interface Outputs extends Inputs {
    mountpoint: string;
}

interface Inspected {
    Name: string;
    Driver: string;
    Mountpoint: string;
    Labels?: Record<string, string> | null;
    Options?: Record<string, string> | null;
}

/** How long a deletion waits for the containers that still use the volume, as the official plugin does. */
const removalSeconds = 30;

export const volume = resource<Engine, Inputs, Outputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        labels: labels({ replace: true }),
        driver: string({ computed: true, replace: true }),
        driverOpts: map(string(), { replace: true }),
    },
    outputs: { mountpoint: string() },

    async create({ client, signal }, inputs) {
        const docker = await client.api();
        const what = `creating the volume ${inputs.name}`;
        await call(client, what, () =>
            docker.createVolume({
                Name: inputs.name,
                ...(inputs.driver !== undefined && { Driver: inputs.driver }),
                DriverOpts: inputs.driverOpts ?? {},
                Labels: toMap(inputs.labels),
                abortSignal: signal,
            }),
        );
        const made = await call(client, what, () => docker.getVolume(inputs.name).inspect());
        return { id: made.Name, outputs: { driver: made.Driver, mountpoint: made.Mountpoint } };
    },

    async read({ client, signal }, id) {
        const docker = await client.api();
        const found = (await ifFound(client, `reading the volume ${id}`, () =>
            docker.getVolume(id).inspect({ abortSignal: signal }),
        )) as Inspected | undefined;
        return (
            found && {
                outputs: { driver: found.Driver, mountpoint: found.Mountpoint },
                inputs: {
                    name: found.Name,
                    labels: fromMap(found.Labels),
                    driver: found.Driver,
                    driverOpts: found.Options ?? {},
                },
            }
        );
    },

    async delete({ client, signal, log }, id) {
        const docker = await client.api();
        const deadline = Date.now() + removalSeconds * 1000;
        for (;;) {
            try {
                await ifFound(client, `removing the volume ${id}`, () =>
                    docker.getVolume(id).remove({ force: true, abortSignal: signal }),
                );
                return;
            } catch (error) {
                if (!isStatus(error, 409) || Date.now() > deadline) {
                    throw error;
                }
                log.status("waiting for the containers that use it to go");
                await pause(250, signal);
            }
        }
    },
});
