import { z } from "zod";

import { seconds } from "./guard";

/** Settings of the snapshots that servers take and keep, encrypted. */
export const snapshotSettings = z
    .strictObject({
        /** From one to the next. */
        interval: z
            .string()
            .regex(/^[1-9]\d{0,5}(s|m|h)$/, {
                error: "must be a number and a unit (s, m or h), such as 1h",
                abort: true,
            })
            .refine((span) => seconds(span) >= 60, {
                error: "must be at least 1m: the cluster writes all of its data for each",
            })
            .default("1h"),
        /** How many of each system each server keeps. */
        keep: z
            .int()
            .min(1, { error: "must be at least 1: what is not kept cannot be restored" })
            .max(1000, { error: "must be at most 1000, for the sake of the servers' disks" })
            .default(24),
    })
    .prefault({});
