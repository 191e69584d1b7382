import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";

import { output, run } from "./command";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const applications = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * The browser's executable: `CHROMIUM` if set, else the one that is installed, else Debian's package when
 * this process may install it.
 */
export async function ensureChromium(): Promise<string> {
    const chosen = process.env["CHROMIUM"];
    if (chosen !== undefined && chosen !== "") {
        if (!existsSync(chosen)) {
            throw new Error(
                `CHROMIUM=${chosen} does not exist; set it to the browser's executable, or unset it`,
            );
        }
        return chosen;
    }
    const installed = findChromium();
    if (installed !== undefined) {
        return installed;
    }
    if (isDebian() && process.getuid?.() === 0) {
        await install();
        const now = findChromium();
        if (now !== undefined) {
            return now;
        }
    }
    throw new Error(
        "the browser tests need Chromium or Chrome on PATH: install it (Debian, as root: apt-get install chromium), or " +
            "set CHROMIUM to its executable",
    );
}

function findChromium(): string | undefined {
    const folders = (process.env["PATH"] ?? "").split(path.delimiter);
    const onPath = folders.flatMap((folder) => names.map((name) => path.join(folder, name)));
    return [...onPath, ...applications].find((file) => existsSync(file));
}

function isDebian(): boolean {
    return existsSync("/etc/os-release") && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** Ubuntu's package of that name only points to a snap, which needs a running snapd: Debian's is a real one. */
async function install(): Promise<void> {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const packages = ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"];
    if ((await run("apt-get", packages, { env })).code !== 0) {
        await output("apt-get", ["update"], { env });
        await output("apt-get", packages, { env });
    }
}
