import type { Image } from "@linode/api-v4";

/** id, label, vendor, MiB, whether cloud-init runs in it. */
const rows: [string, string, string, number, boolean][] = [
    ["linode/debian12", "Debian 12", "Debian", 1800, true],
    ["linode/debian13", "Debian 13", "Debian", 1800, true],
    ["linode/debian11", "Debian 11", "Debian", 1500, true],
    ["linode/ubuntu22.04", "Ubuntu 22.04 LTS", "Ubuntu", 3000, true],
    ["linode/ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu", 3500, true],
    ["linode/alpine3.20", "Alpine 3.20", "Alpine", 300, false],
];

export const images: Image[] = rows.map(([id, label, vendor, size, cloudInit]) => ({
    id,
    label,
    vendor,
    size,
    capabilities: cloudInit ? ["cloud-init"] : [],
    created: "2024-01-15T12:00:00",
    created_by: "linode",
    deprecated: false,
    description: "",
    eol: null,
    expiry: null,
    is_public: true,
    regions: [],
    status: "available",
    tags: [],
    total_size: 0,
    type: "manual",
    updated: "2024-01-15T12:00:00",
}));
