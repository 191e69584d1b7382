import { z } from "zod";

import type { Problem } from "../config-errors";

/** Raising it makes new ones; the number itself means nothing. */
export const rotation = z.int().min(1).default(1);

/** Settings of a lab's certificates, whatever its CAs are. */
export const certificateSettings = {
    /** Days for which a certificate is valid. */
    lifetimeDays: z
        .int()
        .min(1)
        .max(1825, { error: "must be at most 1825: the CA's own certificate is for 3650 days" })
        .default(365),
    /** Days before its end from which an `up` renews a certificate. */
    earlyRenewalDays: z.int().min(1).default(30),
    /** Raise it to have new keys and certificates, one node after the other. The CAs stay. */
    rotation,
};

/** A certificate that is renewed from its first day would be renewed by every `up`. */
export function endlessRenewal({
    lifetimeDays,
    earlyRenewalDays,
}: {
    lifetimeDays: number;
    earlyRenewalDays: number;
}): Problem[] {
    return earlyRenewalDays < lifetimeDays
        ? []
        : [
              {
                  path: "certificates.earlyRenewalDays",
                  message: `${earlyRenewalDays} days before the end is not after the beginning: certificates live ${lifetimeDays} days (certificates.lifetimeDays), and every up would renew them; choose less`,
              },
          ];
}
