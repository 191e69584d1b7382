import * as pulumi from "@pulumi/pulumi";

/** How long a certificate is good, and from when before its end an `up` renews it. */
export interface Validity {
    /** Of the certificate's resource, e.g. `nomad-ca-client-1`. */
    name: string;
    /** RFC 3339. */
    expires: pulumi.Output<string>;
    earlyRenewalHours: number;
}

/** The certificate that ends first. */
export interface FirstToEnd {
    name: string;
    /** RFC 3339. */
    expires: string;
    /** From then on an `up` renews it. RFC 3339. */
    renewedFrom: string;
}

type KnownValidity = Omit<Validity, "expires"> & { expires: string };

/** Warns of what this update ought to renew and does not, and says which of them ends first; at least one. */
export function watchExpiry(
    validities: readonly Validity[],
    resource: pulumi.Resource,
): pulumi.Output<FirstToEnd> {
    const known = validities.map((validity) =>
        validity.expires.apply((expires): KnownValidity => ({ ...validity, expires })),
    );
    for (const each of known) {
        each.apply((validity) => {
            const warning = overdue(validity, new Date());
            return warning === undefined ? undefined : pulumi.log.warn(warning, resource);
        });
    }
    return pulumi.all(known).apply(firstToEnd);
}

/** Which of them ends first; at least one. Pure. */
export function firstToEnd(validities: readonly KnownValidity[]): FirstToEnd {
    const [first] = [...validities].sort((a, b) => Date.parse(a.expires) - Date.parse(b.expires));
    if (first === undefined) {
        throw new Error("There is no certificate.");
    }
    return { name: first.name, expires: first.expires, renewedFrom: renewedFrom(first).toISOString() };
}

/**
 * What to tell about a certificate that ought to be renewed and is not, because an update leaves it out (`--target`), or
 * because its provider does not look at the time. Pure.
 */
export function overdue(validity: KnownValidity, now: Date): string | undefined {
    if (now < renewedFrom(validity)) {
        return undefined;
    }
    const { name, expires } = validity;
    const ends = now < new Date(expires) ? "ends" : "has ended";
    return `the certificate ${name} ${ends} on ${expires}, and this update does not renew it: run one of the whole stack (make up)`;
}

function renewedFrom({ expires, earlyRenewalHours }: KnownValidity): Date {
    return new Date(Date.parse(expires) - earlyRenewalHours * 3600 * 1000);
}
