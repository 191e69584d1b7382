import { parseArgs } from "node:util";

import { LinodeEmulator } from "./emulator";

const usage = `Emulates the Linode API on 127.0.0.1 until it is interrupted.

    npx tsx tests/support/linode/main.ts [--port N] [--speed F]

    --port N     where to listen; default: any free port
    --speed F    by how much real-life delays are multiplied: 1 (default) is real life, 0 no delay
`;

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: { port: { type: "string" }, speed: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help) {
        process.stdout.write(usage);
        return;
    }
    const emulator = new LinodeEmulator({
        port: number("--port", values.port ?? "0", 65535),
        speed: number("--speed", values.speed ?? "1", 100),
    });
    await emulator.start();
    // For eval: the official client and the provider read both.
    process.stdout.write(`export LINODE_URL=${emulator.url}\nexport LINODE_TOKEN=${emulator.token}\n`);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => void emulator.stop());
    }
}

function number(option: string, text: string, most: number): number {
    const value = Number(text);
    if (text.trim() === "" || !(value >= 0 && value <= most)) {
        throw new Error(`${option} must be a number from 0 to ${most}, not "${text}"`);
    }
    return value;
}

main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
});
