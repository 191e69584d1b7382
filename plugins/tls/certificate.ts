import { boolean, integer, list, string, UNKNOWN } from "../lib";
import { allowedUses } from "./uses";
import { isReadyForRenewal, validity } from "./validity";
import { issueCertificate, keyIdentifier, sameName, type Authority, type Request } from "./x509";

import type { PrivateKey } from "./pem";
import type { Change, Context, CreateResult, ReadResult } from "../lib";

/** Inputs that all certificates have. */
export interface CertificateInputs {
    allowedUses: string[];
    earlyRenewalHours: number;
    isCaCertificate: boolean;
    maxPathLength?: number;
    setSubjectKeyId: boolean;
    validityPeriodHours: number;
}

/** Outputs that all certificates have. */
export interface CertificateOutputs {
    certPem: string;
    readyForRenewal: boolean;
    validityEndTime: string;
    validityStartTime: string;
}

/** Go counts durations in nanoseconds of 64 bits, so the official plugin knows no longer ones: 292 years. */
const longest = 2_562_047;

export const certificateInputs = {
    allowedUses: list(string({ oneOf: allowedUses }), { required: true, replace: true }),
    earlyRenewalHours: integer({ default: 0, validate: refuseHours }),
    isCaCertificate: boolean({ default: false, replace: true }),
    // Leaving it out later is no change, as in the official plugin.
    maxPathLength: integer({ computed: true, replace: true, validate: refusePathLength }),
    setSubjectKeyId: boolean({ default: false, replace: true }),
    validityPeriodHours: integer({ required: true, replace: true, validate: refuseHours }),
};

export const certificateOutputs = {
    certPem: string(),
    readyForRenewal: boolean(),
    validityEndTime: string(),
    validityStartTime: string(),
};

function refuseHours(hours: number): string | undefined {
    return hours < 0 || hours > longest ? `must be between 0 and ${longest}` : undefined;
}

function refusePathLength(length: number): string | undefined {
    return length < -1 ? "must be at least 0, or -1 for any length" : undefined;
}

/**
 * Makes the certificate that a resource asks for.
 *
 * @param authority who issues it; left out, it is self-signed.
 * @param withAuthorityKeyId of a self-signed certificate: it names its own key as the authority's.
 */
export function certify(
    inputs: CertificateInputs,
    request: Request,
    key: PrivateKey,
    authority?: Authority,
    withAuthorityKeyId = false,
): CreateResult<CertificateOutputs> {
    const { earlyRenewalHours, isCaCertificate, setSubjectKeyId } = inputs;
    const subjectKeyId = isCaCertificate || setSubjectKeyId ? keyIdentifier(request.publicKey) : undefined;
    const issuer = authority?.subject ?? request.subject;
    const { notBefore, notAfter } = validity(inputs.validityPeriodHours);
    // Go leaves the authority's key out where subject and issuer are the same, unless it is asked for.
    const authorityKeyId = authority
        ? sameName(issuer, request.subject)
            ? undefined
            : authority.subjectKeyId
        : withAuthorityKeyId
          ? subjectKeyId
          : undefined;
    const { pem, serial } = issueCertificate(
        {
            ...request,
            uses: inputs.allowedUses,
            isCa: isCaCertificate,
            maxPathLength: inputs.maxPathLength,
            subjectKeyId,
            authorityKeyId,
            notBefore,
            notAfter,
        },
        issuer,
        key,
    );
    const validityEndTime = notAfter.toISOString();
    return {
        id: serial.toString(),
        outputs: {
            certPem: pem,
            readyForRenewal: isReadyForRenewal(validityEndTime, earlyRenewalHours, notBefore),
            validityEndTime,
            validityStartTime: notBefore.toISOString(),
        },
    };
}

type State = CertificateInputs & CertificateOutputs;

/** What refresh, plan and update do with every certificate: they watch over its renewal. */
export const renewal = {
    diff: (
        _context: Context<object>,
        { state, news, changes }: { state: State; news: CertificateInputs; changes: Change[] },
    ): Change[] => {
        if (!isKnown(news.earlyRenewalHours)) {
            return changes;
        }
        const due = isReadyForRenewal(state.validityEndTime, news.earlyRenewalHours);
        return due || state.readyForRenewal
            ? [...changes, { path: "readyForRenewal", kind: "update", replace: due }]
            : changes;
    },

    plan: (
        _context: Context<object>,
        { earlyRenewalHours, validityPeriodHours }: CertificateInputs,
        state: State | undefined,
    ): Partial<CertificateOutputs> => {
        if (!isKnown(earlyRenewalHours)) {
            return { readyForRenewal: UNKNOWN as never };
        }
        // A certificate that is due is replaced, not updated.
        if (state) {
            return { readyForRenewal: false };
        }
        return isKnown(validityPeriodHours)
            ? { readyForRenewal: earlyRenewalHours >= validityPeriodHours }
            : {};
    },

    read: async (
        _context: Context<object>,
        _id: string,
        state: State | undefined,
        inputs: object | undefined,
    ): Promise<ReadResult<CertificateOutputs>> => {
        if (!state) {
            throw new Error("certificates cannot be imported");
        }
        const due = isReadyForRenewal(state.validityEndTime, state.earlyRenewalHours);
        return { outputs: due ? { readyForRenewal: true } : {}, inputs: { ...inputs } };
    },

    update: async (
        _context: Context<object>,
        _id: string,
        state: State,
        { earlyRenewalHours }: CertificateInputs,
    ): Promise<Partial<CertificateOutputs>> => ({
        readyForRenewal: isReadyForRenewal(state.validityEndTime, earlyRenewalHours),
    }),
};

/** In previews, a value may be unknown although its type says nothing of it. */
export function isKnown(value: unknown): boolean {
    return value !== UNKNOWN;
}
