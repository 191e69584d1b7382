import * as pulumi from "@pulumi/pulumi";

import { askApi, type LinodePlan, planProblems } from "../components/machines/linode/preflight";
import { registryType } from "../components/machines/linode/substrate";
import { type Config, isOnLinode, type LinodeConfig } from "../config";
import { formatProblems } from "../config-errors";
import { keepsApart } from "../settings/linode";
import { routedNodes } from "../settings/routed";
import { describe } from "../toolchain/errors";
import { expiryWarning, type Lifetime, nextLifetime } from "../toolchain/lifetime";
import { LinodeApi } from "../toolchain/linode/api";
import { accessFrom } from "../toolchain/linode/access";
import { labelOf, tagsOf } from "../toolchain/linode/names";
import { type Cost, costOf, costTable } from "../toolchain/linode/prices";
import { planNodes } from "./node-plan";

/** What a stack on Linode says of itself beside its lab. */
export interface LinodeFacts {
    cost: Cost;
    lifetime: Lifetime;
}

/**
 * Compares a stack on Linode with what the API says of regions, types, images, names and the token, in previews, too,
 * and shows what it costs and whether its time is over. To be called before the first resource. Other stacks: nothing.
 *
 * @param last the output `lifetime` of the last update
 * @throws pulumi.RunError that lists all problems, or says why the API could not be asked.
 */
export async function prepareLinode(config: Config, last: unknown): Promise<LinodeFacts | undefined> {
    if (!isOnLinode(config)) {
        return undefined;
    }
    const stack = pulumi.getStack();
    const plan = planOf(config, pulumi.getProject(), stack);
    const answers = await ask(plan);
    const problems = planProblems(plan, answers);
    if (problems.length > 0) {
        throw new pulumi.RunError(formatProblems(problems));
    }
    const cost = costOf(plan, answers);
    await pulumi.log.info(costTable(cost));
    const now = new Date();
    const lifetime = nextLifetime(last, config.linode.ttl, now);
    const warning = expiryWarning(stack, lifetime, now);
    if (warning !== undefined) {
        await pulumi.log.warn(warning);
    }
    return { cost, lifetime };
}

/** What a lab with these settings asks of Linode. */
export function planOf(config: LinodeConfig, project: string, stack: string): LinodePlan {
    const { linode, servers } = config;
    const machines =
        config.lab === "routed" ? routedNodes(config) : planNodes(servers.count, config.clients.count);
    const label = (name: string) => labelOf(project, stack, "instance", name);
    return {
        region: linode.region,
        image: linode.image,
        instances: [
            ...machines.map(({ name }) => ({ label: label(name), type: linode.type })),
            { label: label("registry"), type: registryType },
        ],
        nodeBalancers: linode.nodeBalancer ? 1 : 0,
        backups: linode.backups,
        apart: keepsApart(linode, servers.count) ? servers.count : 0,
        domain: linode.dns?.domain,
        tag: tagsOf(project, stack)[1],
    };
}

async function ask(plan: LinodePlan) {
    // Not by Config.get, which warns of a secret that is read as plain text; it goes into no resource here.
    const access = accessFrom({
        token: pulumi.runtime.getConfig("linode:token"),
        url: pulumi.runtime.getConfig("linode:url"),
    });
    try {
        return await askApi(new LinodeApi(access), plan);
    } catch (error) {
        throw new pulumi.RunError(`${describe(error)}\nNothing was changed.`);
    }
}
