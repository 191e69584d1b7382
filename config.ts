import { isDeepStrictEqual } from "node:util";

import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";

import { explainIssue, formatProblems, nearest, type Problem } from "./config-errors";
import { labs, type LabName } from "./settings/common";
import { etcdContradictions, etcdSettings, type EtcdSettings } from "./settings/etcd";
import { nomadContradictions, nomadSettings, type NomadSettings } from "./settings/nomad";
import { routedContradictions, routedSettings, type RoutedSettings } from "./settings/routed";
import { stickyContradictions, stickySettings, type StickySettings } from "./settings/sticky";
import { templateContradictions, templateSettings, type TemplateSettings } from "./settings/template";

/** The settings of the lab that the stack selects. */
export type Config =
    | ({ lab: "nomad" } & NomadSettings)
    | ({ lab: "sticky" } & StickySettings)
    | ({ lab: "template" } & TemplateSettings)
    | ({ lab: "routed" } & RoutedSettings)
    | ({ lab: "etcd" } & EtcdSettings);

/** The settings of a stack on Linode. */
export type LinodeConfig = Extract<Config, { lab: "nomad" | "routed" }>;

export function isOnLinode(config: Config): config is LinodeConfig {
    return config.substrate === "linode";
}

interface LabSchema {
    /**
     * Every setting of the lab below `gatehouse:`, with its default. The table in the README and the `config` section
     * of Pulumi.yaml say the same; a unit test compares them.
     */
    settings: z.ZodObject;
    /** What is wrong with settings that are fine one by one. */
    contradictions: (settings: never) => Problem[];
}

export const schemas: Record<LabName, LabSchema> = {
    nomad: { settings: nomadSettings, contradictions: nomadContradictions },
    sticky: { settings: stickySettings, contradictions: stickyContradictions },
    template: { settings: templateSettings, contradictions: templateContradictions },
    routed: { settings: routedSettings, contradictions: routedContradictions },
    etcd: { settings: etcdSettings, contradictions: etcdContradictions },
};

/** Reads the stack's settings; throws one error that lists all problems with their remedies. */
export function readConfig(): Config {
    const all: Record<string, string> = pulumi.runtime.allConfig();
    const prefix = `${pulumi.getProject()}:`;
    const ours = Object.entries(all).filter(([key]) => key.startsWith(prefix));
    return parseConfig(Object.fromEntries(ours.map(([key, value]) => [key.slice(prefix.length), value])));
}

/** Parses settings as Pulumi hands them over: every value a string, objects as JSON. */
export function parseConfig(raw: Record<string, string>): Config {
    const problems: Problem[] = [];
    const values: Record<string, unknown> = {};
    const lab = labs.find((name) => name === raw["lab"]) ?? "nomad";
    const { settings, contradictions } = schemas[lab];
    for (const [key, text] of Object.entries(raw)) {
        const value = decode(text);
        const owner = labs.find((name) => Object.hasOwn(schemas[name].settings.shape, key));
        if (Object.hasOwn(settings.shape, key)) {
            values[key] = value;
        } else if (owner === undefined) {
            const known = new Set(labs.flatMap((name) => Object.keys(schemas[name].settings.shape)));
            problems.push({ path: key, message: `unknown setting${nearest(key, [...known])}` });
        } else if (!isProjectDefault(owner, key, value)) {
            problems.push({
                path: key,
                message: `the lab ${lab} has no such setting (the lab ${owner} has); remove it`,
            });
        }
    }
    const parsed = settings.safeParse(values);
    if (!parsed.success) {
        problems.push(...parsed.error.issues.flatMap((issue) => explainIssue(issue, values)));
    } else {
        problems.push(...contradictions(parsed.data as never));
    }
    if (problems.length > 0) {
        throw new pulumi.RunError(formatProblems(problems));
    }
    return parsed.data as Config;
}

/** Pulumi.yaml's defaults reach the stacks of every lab; only what a stack file says can be out of place. */
function isProjectDefault(owner: LabName, key: string, value: unknown): boolean {
    const field = schemas[owner].settings.shape[key] as z.ZodType;
    const byDefault: unknown = field.safeParse(undefined).data;
    return (
        value === "" ||
        isDeepStrictEqual(value, {}) ||
        isDeepStrictEqual(value, JSON.parse(JSON.stringify(byDefault ?? {})))
    );
}

/** Pulumi stores `webapp.count` as JSON below `webapp`, and scalars as bare text. */
function decode(text: string): unknown {
    if (/^\s*[[{]/.test(text)) {
        try {
            return JSON.parse(text);
        } catch {
            return text;
        }
    }
    return text;
}
