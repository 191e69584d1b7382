import { any, integer, list, string } from "../lib";
import { rfc3339 } from "./client";
import { named, renamed, simple } from "./simple";

type Answer = Record<string, unknown> & { created: string; updated: string };

const times = { created: string(), updated: string() };
const timesOf = ({ created, updated }: Answer) => ({
    created: rfc3339(created)!,
    updated: rfc3339(updated)!,
});

const vpcNames = { label: "label", region: "region", description: "description" };

export const vpc = simple({
    what: "a VPC",
    path: () => "/vpcs",
    inputs: {
        label: string({ required: true }),
        region: string({ required: true, replace: true }),
        description: string({ computed: true }),
    },
    outputs: times,
    create: (inputs) => renamed(inputs, vpcNames),
    change: (inputs) => renamed(inputs, { label: "label", description: "description" }),
    filter: ({ label }) => ({ label }),
    show: (answer: Answer) => ({ inputs: named(answer, vpcNames), outputs: timesOf(answer) }),
});

const subnetNames = { label: "label", ipv4: "ipv4" };

export const vpcSubnet = simple({
    what: "a VPC's subnet",
    ids: 2,
    path: ({ vpcId }) => `/vpcs/${String(vpcId)}/subnets`,
    parents: ([vpcId]) => ({ vpcId }),
    inputs: {
        vpcId: integer({ required: true, replace: true }),
        label: string({ required: true }),
        ipv4: string({ computed: true, replace: true }),
    },
    outputs: { ...times, linodes: list(any()) },
    // The successor's range would overlap with its predecessor's, or its label would be taken.
    deleteBeforeReplace: true,
    create: (inputs) => renamed(inputs, subnetNames),
    change: ({ label }) => ({ label }),
    filter: ({ label }) => ({ label }),
    show: (
        answer: Answer & { linodes: { id: number; interfaces: { id: number; active: boolean }[] }[] },
    ) => ({
        inputs: named(answer, subnetNames),
        outputs: {
            ...timesOf(answer),
            linodes: answer.linodes.map(({ id, interfaces }) => ({
                id,
                interfaces: interfaces.map((one) => ({ id: one.id, active: one.active })),
            })),
        },
    }),
});

const groupNames = {
    label: "label",
    region: "region",
    placementGroupType: "placement_group_type",
    placementGroupPolicy: "placement_group_policy",
};

export const placementGroup = simple({
    what: "a placement group",
    path: () => "/placement/groups",
    inputs: {
        label: string({ required: true }),
        region: string({ required: true, replace: true }),
        placementGroupType: string({ required: true, replace: true }),
        placementGroupPolicy: string({ default: "strict", replace: true, oneOf: ["strict", "flexible"] }),
    },
    outputs: { isCompliant: any(), members: list(any()) },
    create: (inputs) => renamed(inputs, groupNames),
    change: ({ label }) => ({ label }),
    filter: ({ label }) => ({ label }),
    // The API does not tell its age; one that somebody uses was there before.
    isNew: ({ members }: { members: unknown[] }) => members.length === 0,
    show: (
        answer: Record<string, unknown> & { members: { linode_id: number; is_compliant: boolean }[] },
    ) => ({
        inputs: named(answer, groupNames),
        outputs: {
            isCompliant: answer.is_compliant,
            members: answer.members.map(({ linode_id: linodeId, is_compliant: isCompliant }) => ({
                linodeId,
                isCompliant,
            })),
        },
    }),
});

export const sshKey = simple({
    what: "an SSH key",
    path: () => "/profile/sshkeys",
    inputs: {
        label: string({ required: true }),
        // The API trims what it is given; so does the comparison.
        sshKey: string({
            required: true,
            replace: true,
            same: (old, now) => String(old).trim() === String(now).trim(),
        }),
    },
    outputs: { created: string() },
    create: ({ label, sshKey: key }) => ({ label, ssh_key: String(key).trim() }),
    change: ({ label }) => ({ label }),
    filter: ({ label }) => ({ label }),
    show: (answer: { label: string; ssh_key: string; created: string }) => ({
        inputs: { label: answer.label, sshKey: answer.ssh_key },
        outputs: { created: rfc3339(answer.created) },
    }),
});
