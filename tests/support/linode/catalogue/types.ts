import type { LinodeType, LinodeTypeClass, PriceType, RegionPriceObject } from "@linode/api-v4";

/** id, label, class, MiB of memory, MiB of disk, cores, GB of transfer, Mbit/s out, monthly price, monthly backups. */
type Row = [
    string,
    string,
    LinodeTypeClass,
    number,
    number,
    number,
    number,
    number,
    { monthly: number; hourly: number },
    { monthly: number; hourly: number },
];

const price = (monthly: number, hourly: number) => ({ monthly, hourly });

/**
 * The plans of https://www.linode.com/pricing that a small cluster would use. Sizes, backups and the layout of the answer are
 * those of the public API; the prices are the public list prices since April 2023, which took shared and dedicated plans
 * up by a fifth (the Nanode kept its price). Hourly prices are the monthly ones divided by 666⅔ and rounded, as the vendor does.
 */
const rows: Row[] = [
    ["g6-nanode-1", "Nanode 1GB", "nanode", 1024, 25600, 1, 1000, 1000, price(5, 0.0075), price(2, 0.003)],
    [
        "g6-standard-1",
        "Linode 2GB",
        "standard",
        2048,
        51200,
        1,
        2000,
        2000,
        price(12, 0.018),
        price(2.5, 0.004),
    ],
    [
        "g6-standard-2",
        "Linode 4GB",
        "standard",
        4096,
        81920,
        2,
        4000,
        4000,
        price(24, 0.036),
        price(5, 0.008),
    ],
    [
        "g6-standard-4",
        "Linode 8GB",
        "standard",
        8192,
        163840,
        4,
        5000,
        5000,
        price(48, 0.072),
        price(10, 0.015),
    ],
    [
        "g6-standard-6",
        "Linode 16GB",
        "standard",
        16384,
        327680,
        6,
        8000,
        6000,
        price(96, 0.144),
        price(20, 0.03),
    ],
    [
        "g6-standard-8",
        "Linode 32GB",
        "standard",
        32768,
        655360,
        8,
        16000,
        7000,
        price(192, 0.288),
        price(40, 0.06),
    ],
    [
        "g6-dedicated-2",
        "Dedicated 4GB",
        "dedicated",
        4096,
        81920,
        2,
        4000,
        4000,
        price(36, 0.054),
        price(5, 0.008),
    ],
    [
        "g6-dedicated-4",
        "Dedicated 8GB",
        "dedicated",
        8192,
        163840,
        4,
        5000,
        5000,
        price(72, 0.108),
        price(10, 0.015),
    ],
    [
        "g6-dedicated-8",
        "Dedicated 16GB",
        "dedicated",
        16384,
        327680,
        8,
        6000,
        6000,
        price(144, 0.216),
        price(20, 0.03),
    ],
    [
        "g7-highmem-1",
        "Linode 24GB",
        "highmem",
        24576,
        20480,
        2,
        5000,
        5000,
        price(60, 0.09),
        price(5, 0.0075),
    ],
];

/** Where the same costs more: Jakarta a fifth, São Paulo two fifths. */
const dearer: { id: string; factor: number }[] = [
    { id: "id-cgk", factor: 1.2 },
    { id: "br-gru", factor: 1.4 },
];

function regionPrices({ monthly, hourly }: { monthly: number; hourly: number }): RegionPriceObject[] {
    const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
    return dearer.map(({ id, factor }) => ({
        id,
        hourly: rounded(hourly * factor, 4),
        monthly: rounded(monthly * factor, 2),
    }));
}

export const linodeTypes: LinodeType[] = rows.map(
    ([id, label, kind, memory, disk, vcpus, transfer, networkOut, list, backups]) => ({
        id,
        label,
        class: kind,
        memory,
        disk,
        vcpus,
        transfer,
        network_out: networkOut,
        gpus: 0,
        accelerated_devices: 0,
        successor: null,
        price: list,
        region_prices: regionPrices(list),
        addons: { backups: { price: backups, region_prices: regionPrices(backups) } },
    }),
);

export const nodeBalancerTypes: PriceType[] = [
    {
        id: "nodebalancer",
        label: "NodeBalancer",
        price: price(10, 0.015),
        region_prices: regionPrices(price(10, 0.015)),
        transfer: 0,
    },
];
