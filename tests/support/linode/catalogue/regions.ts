import type { Country, Region } from "@linode/api-v4";

/** id, label, country, whether it has VPCs, the metadata service and placement groups. */
const rows: [string, string, Country, boolean][] = [
    ["us-east", "Newark, NJ", "us", true],
    ["us-ord", "Chicago, IL", "us", true],
    ["us-iad", "Washington, DC", "us", true],
    ["us-lax", "Los Angeles, CA", "us", true],
    ["fr-par", "Paris, FR", "fr", true],
    ["nl-ams", "Amsterdam, NL", "nl", true],
    ["de-fra-2", "Frankfurt 2, DE", "de", true],
    ["it-mil", "Milan, IT", "it", true],
    ["se-sto", "Stockholm, SE", "se", true],
    ["eu-central", "Frankfurt, DE", "de", true],
    ["jp-osa", "Osaka, JP", "jp", true],
    ["id-cgk", "Jakarta, ID", "id", true],
    ["br-gru", "Sao Paulo, BR", "br", true],
    // One of the old data centres: no VPCs.
    ["us-west", "Fremont, CA", "us", false],
];

const everywhere: Region["capabilities"] = [
    "Linodes",
    "Disk Encryption",
    "Backups",
    "NodeBalancers",
    "Block Storage",
    "Kubernetes",
    "Cloud Firewall",
    "StackScripts",
];
const newer: Region["capabilities"] = ["Vlans", "VPCs", "Metadata", "Placement Group"];

export const regions: Region[] = rows.map(([id, label, country, modern]) => ({
    id,
    label,
    country,
    capabilities: modern ? [...everywhere, ...newer] : everywhere,
    placement_group_limits: { maximum_linodes_per_pg: 5, maximum_pgs_per_customer: null },
    resolvers: { ipv4: "198.18.0.2,198.18.0.3", ipv6: "2001:db8::2,2001:db8::3" },
    site_type: "core",
    status: "ok",
}));
