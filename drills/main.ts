import { output } from "../tests/support/command";
import { describe, UserError } from "../toolchain/errors";
import { checkName, labOf, settingsOf } from "../toolchain/stackfile";
import { carryOut, rate } from "./carry-out";
import { DockerMachines } from "./docker-machines";
import type { Drill } from "./drill";
import { drills } from "./events";
import { Journal } from "./journal";
import { DrilledLab, type LabOutputs } from "./lab";
import { where, writePage } from "./page";
import { broken, type Measured, promises, renderNotes, renderTable } from "./report";
import { healthy, restore } from "./restore";

const say = (text: string): void => console.log(`    ${text}`);

/**
 * `make drill STACK=… [ONLY="…"] [DOCS=1]`: does to a running `routed` lab what befalls clusters, under load, and
 * measures what its users notice. Ends with an error when a promise is broken.
 */
async function main(): Promise<void> {
    const { STACK: stack = "", ONLY: only = "", DOCS: docs = "" } = process.env;
    const chosen = choose(only);
    refuseStack(stack);
    const outputs = await readOutputs(stack);
    const machines = new DockerMachines(stack);
    const lab = new DrilledLab(machines, outputs);
    if (lab.servers.length < 3 || lab.clients.length < 2) {
        throw new UserError(
            `the stack ${stack} has ${lab.servers.length} servers and ${lab.clients.length} clients; drills take one ` +
                "of each away, so that it needs at least 3 and 2 (gatehouse:servers.count, gatehouse:pools)",
        );
    }
    const journal = new Journal(stack);
    const place = where(lab.servers.length, lab.clients.length);
    const measured: Measured[] = [];
    const unfinished: string[] = [];
    let page: string | undefined;
    // An interrupt and the failure of the drill that it ends want the same.
    let restoring: Promise<void> | undefined;
    const putBack = (): Promise<void> =>
        (restoring ??= restore(stack, lab, journal, say).finally(() => (restoring = undefined)));
    const interrupt = onInterrupt(putBack);
    announce(stack, chosen);
    lab.open();
    try {
        if (journal.open() !== undefined) {
            console.log(
                `an earlier drill (${journal.open()?.drill}) was interrupted; putting back what it left`,
            );
            await putBack();
            // What should run is known only now.
            await lab.expect();
            await healthy(lab, say);
        }
        await requireHealth(stack, lab);
        for (const drill of chosen) {
            console.log(`\n${drill.title}`);
            const found = await oneDrill(drill, putBack, { stack, lab, machines, journal, say });
            if (found === undefined) {
                unfinished.push(drill.name);
            } else {
                measured.push(found);
                // At once: a later drill may not end.
                if (docs !== "") {
                    page = writePage(drills, [found], place);
                }
            }
        }
    } finally {
        await interrupt.over;
        lab.close();
    }
    console.log(`\n${renderTable(measured)}\n\n${renderNotes(measured)}`);
    if (page !== undefined) {
        console.log(`\nwritten to ${page}`);
    }
    const failed = measured.filter((each) => broken(each).length > 0);
    if (failed.length > 0 || unfinished.length > 0) {
        throw new UserError(
            [
                ...(failed.length > 0
                    ? [`broken promises: ${failed.map(({ drill }) => drill.name).join(", ")}`]
                    : []),
                ...(unfinished.length > 0 ? [`not finished: ${unfinished.join(", ")}`] : []),
            ].join("; "),
        );
    }
}

/** Undefined if the drill could not be done; the lab is as before then, too. */
async function oneDrill(
    drill: Drill,
    putBack: () => Promise<void>,
    stage: Parameters<typeof carryOut>[1],
): Promise<Measured | undefined> {
    try {
        const found = await carryOut(drill, stage);
        broken(found).forEach((text) => say(`BROKEN: ${text}`));
        if (found.missing.length === 0) {
            stage.journal.close();
        } else {
            await putBack();
        }
        return found;
    } catch (error) {
        say(`the drill could not be finished; putting things back (${String(error)})`);
        await putBack();
        return undefined;
    }
}

/** The drills that ONLY names, in its order; all without it. */
function choose(only: string): Drill[] {
    const names = only.split(/[\s,]+/).filter((name) => name !== "");
    const unknown = names.filter((name) => !drills.some((drill) => drill.name === name));
    if (unknown.length > 0) {
        const known = drills.map(({ name }) => name).join(", ");
        throw new UserError(`ONLY: no drill is called ${unknown.join(", ")}; there are ${known}`);
    }
    const named = names.flatMap((name) => drills.filter((drill) => drill.name === name));
    return names.length === 0 ? [...drills] : named;
}

function refuseStack(stack: string): void {
    checkName(stack);
    const lab = labOf(stack);
    if (lab !== "routed") {
        throw new UserError(
            `the stack ${stack} is the lab ${lab}; drills are for the lab routed (make up STACK=routed)`,
        );
    }
    const substrate = String(settingsOf(stack)["substrate"] ?? "docker");
    if (substrate !== "docker") {
        throw new UserError(
            `the stack ${stack} runs on ${substrate}; drills can stop and cut off machines on docker only`,
        );
    }
}

/** The stack's outputs, secrets included: they stay in this process. */
async function readOutputs(stack: string): Promise<LabOutputs> {
    const text = await output("node", ["toolchain/cli.js", "outputs", stack], {
        env: { ...process.env, SECRETS: "1" },
    }).catch(() => {
        throw new UserError(`the stack ${stack} has no outputs; run "make up STACK=${stack}" first`);
    });
    const outputs = JSON.parse(text.slice(text.indexOf("{"))) as Partial<LabOutputs>;
    const { urls, machines, environment } = outputs;
    if (urls === undefined || machines === undefined || environment === undefined) {
        throw new UserError(`the stack ${stack} is not complete; run "make up STACK=${stack}" first`);
    }
    return { urls, machines, environment };
}

async function requireHealth(stack: string, lab: DrilledLab): Promise<void> {
    // The witnesses are there in a moment; what they find may be missing for longer.
    await lab.ready();
    await lab.expect();
    const missing = await lab.missing();
    if (missing.length > 0) {
        throw new UserError(
            [
                `the stack ${stack} is not healthy, so that a drill would show nothing:`,
                ...missing.map((text) => `    ${text}`),
                `  what to do: make up STACK=${stack} REFRESH=1`,
            ].join("\n"),
        );
    }
    await lab.forgetWritten();
    await healthy(lab, say);
}

function announce(stack: string, chosen: readonly Drill[]): void {
    console.log(
        [
            `Drills on the stack ${stack}. They break things on purpose, and put them back:`,
            ...chosen.map(({ name, title }) => `    ${name.padEnd(16)} ${title}`),
            `Meanwhile: ${rate} requests a second from outside, 10 from each machine, and writes to Consul and Nomad.`,
            `Passed: no more than ${promises.leader} s without a leader, all healthy ${promises.health} s after the ` +
                "cause is over, no acknowledged write lost, no failed request in planned events.",
            "Ctrl-C puts everything back.",
        ].join("\n"),
    );
}

/** On Ctrl-C: puts everything back, then ends. A second one ends at once; the next drill puts things back then. */
function onInterrupt(putBack: () => Promise<void>): { over: Promise<void> | undefined } {
    const state: { over: Promise<void> | undefined } = { over: undefined };
    const interrupted = (): void => {
        if (state.over !== undefined) {
            console.error("interrupted again; the next drill puts back what is left");
            process.exit(130);
        }
        console.error("\ninterrupted; putting everything back (once more: leave it to the next drill)");
        state.over = putBack()
            .catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
            .then(() => process.exit(130));
    };
    process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
    return state;
}

main().catch((error: unknown) => {
    console.error(`\n${describe(error)}`);
    process.exit(1);
});
