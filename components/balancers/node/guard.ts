import type { NodeFile } from "../../clusters/node-files";
import { asset, guardAsset, program, unitFile } from "./assets";

/** What protects against a catalogue that is suddenly short: see guard/README.md. */
export interface NodeGuardArgs {
    /** The share of the instances known before that must still be known; 0 believes every list. Default: 0.5. */
    minimumShare?: number;
    /** Whole seconds for which a shorter list is held back. Default: 60. */
    holdSeconds?: number;
    /** Reloads that may follow each other at once; then one is made in each gap. Default: 5. */
    reloadBurst?: number;
    /** Default: 1000. `reloadBurst` + 15 s / this must stay below 30. */
    reloadGapMilliseconds?: number;
}

export const guardDefaults: Required<NodeGuardArgs> = {
    minimumShare: 0.5,
    holdSeconds: 60,
    reloadBurst: 5,
    reloadGapMilliseconds: 1000,
};

/** How long old workers live and how many reloads they may see (haproxy.ctmpl). */
const oldWorkers = { seconds: 15, reloads: 30 };

/**
 * The guard's programs; those that stay are started anew with another version, the others are read at each call. What
 * renders for it has given its name to its unit and to the folder of its settings, where the guard's are, too; `refresh`
 * looks anew at what it has rendered (`haproxy-refresh`).
 */
export function guardFiles(
    given: NodeGuardArgs | undefined,
    units: { guard: string; metrics: string; template: string },
    refresh = asset("haproxy-refresh"),
): NodeFile[] {
    const guard = { ...guardDefaults, ...given };
    const renderer = units.template.replace(/\.service$/, "");
    const restart = { name: units.guard, change: "restart" } as const;
    const names = [
        "haproxy-difference.awk",
        "haproxy-guard.awk",
        "haproxy-metrics",
        "haproxy-reload",
        "haproxy-run",
    ];
    const settings = {
        GUARD_MIN_SHARE: guard.minimumShare,
        GUARD_HOLD: guard.holdSeconds,
        RELOAD_BURST: guard.reloadBurst,
        RELOAD_GAP: guard.reloadGapMilliseconds,
    };
    const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    return [
        ...names.map((name) => program(name, guardAsset(name))),
        ...["haproxy-common", "haproxy-render"].map((name) => program(name, guardAsset(name), restart)),
        program("haproxy-refresh", refresh),
        {
            path: `/etc/${renderer}/guard.env`,
            content: environment.join(""),
            mode: "0644",
            owner: "root:root",
            // It hands them to what it calls, and the watch is started anew along with it.
            unit: { name: units.template, change: "restart" },
        },
        unitFile(units.guard, asset(units.guard).replaceAll("consul-template", renderer)),
        unitFile(units.metrics),
    ];
}

/** Says what is wrong with the guard's settings. */
export function refuseGuard(
    given: NodeGuardArgs | undefined,
    must: (right: boolean, propertyPath: string, reason: string) => void,
): void {
    const guard = { ...guardDefaults, ...given };
    const whole = (value: number, least: number, most: number): boolean =>
        Number.isInteger(value) && value >= least && value <= most;
    must(guard.minimumShare >= 0 && guard.minimumShare <= 1, "guard.minimumShare", "must be from 0 to 1");
    must(whole(guard.holdSeconds, 0, 999_999), "guard.holdSeconds", "must be whole seconds, at most 999999");
    must(whole(guard.reloadBurst, 1, 20), "guard.reloadBurst", "must be a whole number from 1 to 20");
    must(
        whole(guard.reloadGapMilliseconds, 1, 600_000),
        "guard.reloadGapMilliseconds",
        "must be whole milliseconds, at most 600000",
    );
    must(
        guard.reloadBurst + (oldWorkers.seconds * 1000) / guard.reloadGapMilliseconds < oldWorkers.reloads,
        "guard",
        `reloadBurst + ${oldWorkers.seconds} s / reloadGap must stay below ${oldWorkers.reloads}: HAProxy ends older workers`,
    );
}
