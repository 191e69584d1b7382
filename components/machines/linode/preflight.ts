import { distance } from "fastest-levenshtein";

import type { Problem } from "../../../config-errors";
import type { LinodeApi } from "../../../toolchain/linode/api";
import { missingScopes, scopes, tokenRemedy } from "../../../toolchain/linode/access";
import type { PriceLists } from "../../../toolchain/linode/prices";
import type { Image, LinodeType, Region } from "./api-types";

/** What a stack is going to ask of Linode. */
export interface LinodePlan {
    region: string;
    image: string;
    /** Every machine by its label, with its plan. */
    instances: { label: string; type: string }[];
    nodeBalancers: number;
    /** Whether instances have backups. */
    backups: boolean;
    /** How many servers a placement group keeps apart; 0 without one. */
    apart: number;
    /** A domain of the account that gets records. */
    domain?: string;
    /** The tag of everything that is the stack's. */
    tag: string;
}

/** What the API says that a plan is compared with. */
export interface Answers {
    regions: Region[];
    /** Plans in the region; those that are not listed are not restricted. Absent for an unknown region. */
    availability?: { plan: string | null; available: boolean }[];
    types: LinodeType[];
    nodeBalancerTypes: PriceLists["nodeBalancerTypes"];
    image?: Image;
    /** The images there are. Only where the one of the plan is none of them. */
    images: Image[];
    /** Instances whose labels may be the plan's. */
    instances: { label: string; tags: string[]; type: string | null }[];
    /** Whether the account has the plan's domain. */
    domain: boolean;
    /** What the token may do; undefined where the API does not say. */
    scopes?: string[];
}

/**
 * Asks what {@link planProblems} needs: few requests, all at the same time.
 *
 * @throws UserError when the API does not answer, or not to this token.
 */
export async function askApi(api: LinodeApi, plan: LinodePlan): Promise<Answers> {
    const prefix = commonPrefix(plan.instances.map(({ label }) => label));
    const { domain } = plan;
    const [instances, regions, availability, types, nodeBalancerTypes, image, domains] = await Promise.all([
        // The only one of them that wants a token for sure; the others are public.
        api.list<Answers["instances"][number]>("linode/instances", { label: { "+contains": prefix } }),
        api.list<Region>("regions"),
        api.find<NonNullable<Answers["availability"]>>(
            `regions/${encodeURIComponent(plan.region)}/availability`,
        ),
        api.list<LinodeType>("linode/types"),
        api.list<PriceLists["nodeBalancerTypes"][number]>("nodebalancers/types"),
        api.find<Image>(`images/${encodeURIComponent(plan.image)}`),
        domain === undefined ? [] : api.list<{ domain: string }>("domains", { domain }),
    ]);
    return {
        instances,
        regions,
        availability,
        types,
        nodeBalancerTypes,
        image,
        images: image === undefined ? await api.list<Image>("images") : [],
        domain: domains.length > 0,
        scopes: api.grantedScopes,
    };
}

/** Everything that keeps a plan from being carried out, each with the setting behind it. */
export function planProblems(plan: LinodePlan, answers: Answers): Problem[] {
    return [
        ...tokenProblems(plan, answers),
        ...regionProblems(plan, answers),
        ...typeProblems(plan, answers),
        ...imageProblems(plan, answers),
        ...domainProblems(plan, answers),
        ...labelProblems(plan, answers),
    ];
}

function tokenProblems({ nodeBalancers, domain }: LinodePlan, answers: Answers): Problem[] {
    const missing = missingScopes(answers.scopes, [
        ...scopes.always,
        ...(nodeBalancers > 0 ? scopes.nodeBalancers : []),
        ...(domain === undefined ? [] : scopes.dns),
    ]);
    return missing.length === 0
        ? []
        : [{ path: "linode:token", message: `the token lacks ${missing.join(", ")}; ${tokenRemedy}` }];
}

function regionProblems(plan: LinodePlan, { regions }: Answers): Problem[] {
    const region = regions.find(({ id }) => id === plan.region);
    if (region === undefined) {
        const fit = regions.filter((each) => missingCapabilities(plan, each).length === 0);
        return [
            {
                path: "linode.region",
                message: `there is no region ${plan.region}${suggest(plan.region, ids(fit))}`,
            },
        ];
    }
    const missing = missingCapabilities(plan, region);
    const problems: Problem[] = [];
    if (missing.length > 0) {
        const fit = regions.filter((each) => missingCapabilities(plan, each).length === 0);
        problems.push({
            path: "linode.region",
            message: `${plan.region} has no ${missing.join(", no ")}; choose one that has, such as ${ids(fit).slice(0, 5).join(", ")}`,
        });
    }
    const most = region.placement_group_limits?.maximum_linodes_per_pg;
    if (plan.apart > 0 && typeof most === "number" && plan.apart > most) {
        problems.push({
            path: "linode.placementGroup",
            message: `a placement group in ${plan.region} takes ${most} machines, and there are ${plan.apart} servers; set it to false`,
        });
    }
    return problems;
}

/** What a region lacks, in the API's words. */
function missingCapabilities(plan: LinodePlan, { capabilities }: Region): string[] {
    return [
        "Linodes",
        "VPCs",
        "Metadata",
        "Cloud Firewall",
        ...(plan.nodeBalancers > 0 ? ["NodeBalancers"] : []),
        ...(plan.apart > 0 ? ["Placement Group"] : []),
        ...(plan.backups ? ["Backups"] : []),
    ].filter((capability) => !capabilities.includes(capability));
}

/** The machines that there are not yet. One that exists goes on where its type is sold out and its image withdrawn. */
function unmade({ instances, tag }: LinodePlan, answers: Answers): LinodePlan["instances"] {
    return instances.filter(
        (wanted) =>
            !answers.instances.some(
                ({ label, tags, type }) =>
                    label === wanted.label && type === wanted.type && tags.includes(tag),
            ),
    );
}

function typeProblems(plan: LinodePlan, answers: Answers): Problem[] {
    const { types, availability = [] } = answers;
    const { region } = plan;
    const wanted = [...new Set(unmade(plan, answers).map(({ type }) => type))];
    const soldOut = (type: string) =>
        availability.some(({ plan, available }) => plan === type && available === false);
    return wanted.flatMap((type) => {
        const known = types.find(({ id }) => id === type);
        if (known === undefined) {
            return [{ path: "linode.type", message: `there is no type ${type}${suggest(type, ids(types))}` }];
        }
        if (soldOut(type)) {
            const others = types.filter(
                (other) => other.memory >= known.memory && other.class !== "gpu" && !soldOut(other.id),
            );
            const names = ids(others.sort((a, b) => (a.price.monthly ?? 0) - (b.price.monthly ?? 0)));
            return [
                {
                    path: "linode.type",
                    message: `${type} cannot be had in ${region} now; choose another, such as ${names.slice(0, 3).join(", ")}, or another region`,
                },
            ];
        }
        return [];
    });
}

function imageProblems(plan: LinodePlan, answers: Answers): Problem[] {
    const { image, images } = answers;
    if (unmade(plan, answers).length === 0) {
        return [];
    }
    if (image === undefined) {
        const fit = images.filter(({ capabilities }) => capabilities.includes("cloud-init"));
        return [
            {
                path: "linode.image",
                message: `there is no image ${plan.image}${suggest(plan.image, ids(fit))}`,
            },
        ];
    }
    if (!image.capabilities.includes("cloud-init")) {
        return [
            {
                path: "linode.image",
                message: `cloud-init does not run in ${plan.image}, so no machine would be set up; choose linode/debian12`,
            },
        ];
    }
    return image.status === "available"
        ? []
        : [
              {
                  path: "linode.image",
                  message: `${plan.image} is ${image.status} and cannot be used now; wait, or choose another`,
              },
          ];
}

function domainProblems({ domain }: LinodePlan, answers: Answers): Problem[] {
    return domain === undefined || answers.domain
        ? []
        : [
              {
                  path: "linode.dns.domain",
                  message: `the account has no domain ${domain}; add it at https://cloud.linode.com/domains and let its registrar name Linode's name servers, or remove the setting`,
              },
          ];
}

/** Labels are unique in an account: another one's instance would fail the creation half-way. */
function labelProblems({ instances, tag }: LinodePlan, answers: Answers): Problem[] {
    const taken = answers.instances.filter(
        ({ label, tags }) => !tags.includes(tag) && instances.some((wanted) => wanted.label === label),
    );
    return taken.map(({ label }) => ({
        path: "linode",
        message: `the account has an instance named ${label}, which is not this stack's (it lacks the tag ${tag}); rename it, or use another stack name`,
    }));
}

/** The known names that are nearest, or as many as fit on a line. */
function suggest(name: string, known: string[]): string {
    const ranked = known.map((candidate) => ({ candidate, edits: distance(name, candidate) }));
    ranked.sort((a, b) => a.edits - b.edits);
    const near = ranked.filter(({ edits }) => edits <= 2).map(({ candidate }) => candidate);
    return near.length > 0
        ? `; did you mean ${near.slice(0, 3).join(", ")}?`
        : `; choose one such as ${ranked
              .slice(0, 5)
              .map(({ candidate }) => candidate)
              .join(", ")}`;
}

function ids(things: { id: string }[]): string[] {
    return things.map(({ id }) => id);
}

function commonPrefix(labels: string[]): string {
    const [first = ""] = labels;
    let length = first.length;
    while (!labels.every((label) => label.startsWith(first.slice(0, length)))) {
        length -= 1;
    }
    return first.slice(0, length);
}
