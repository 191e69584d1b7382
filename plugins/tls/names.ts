import { isIP } from "node:net";

import { AsnConvert } from "@peculiar/asn1-schema";
import {
    AttributeTypeAndValue,
    AttributeValue,
    GeneralName,
    Name,
    RelativeDistinguishedName,
} from "@peculiar/asn1-x509";
import * as ipaddr from "ipaddr.js";

import { list, object, string, type Property } from "../lib";

export interface Subject {
    commonName?: string;
    country?: string;
    emailAddress?: string;
    locality?: string;
    organization?: string;
    organizationalUnit?: string;
    postalCode?: string;
    province?: string;
    serialNumber?: string;
    streetAddresses?: string[];
}

/** Names that a certificate is for, beside its subject. */
export interface AlternativeNames {
    dnsNames?: string[];
    ipAddresses?: string[];
    uris?: string[];
}

/** The property `subject` of certificates and requests. */
export const subjectProperty: Property = object(
    {
        commonName: string(),
        country: string(),
        emailAddress: string({ validate: refuseNonAscii }),
        locality: string(),
        organization: string(),
        organizationalUnit: string(),
        postalCode: string(),
        province: string(),
        serialNumber: string(),
        streetAddresses: list(),
    },
    { replace: true },
);

/** The properties `dnsNames`, `ipAddresses` and `uris`. */
export const alternativeNameProperties = {
    dnsNames: list(string({ validate: refuseNonAscii }), { replace: true }),
    ipAddresses: list(string({ validate: refuseAddress }), { replace: true }),
    uris: list(string({ validate: refuseUri }), { replace: true }),
};

/** In the order in which Go writes a name. */
const attributes: [keyof Subject, string][] = [
    ["country", "2.5.4.6"],
    ["province", "2.5.4.8"],
    ["locality", "2.5.4.7"],
    ["streetAddresses", "2.5.4.9"],
    ["postalCode", "2.5.4.17"],
    ["organization", "2.5.4.10"],
    ["organizationalUnit", "2.5.4.11"],
    ["commonName", "2.5.4.3"],
    ["serialNumber", "2.5.4.5"],
    ["emailAddress", "1.2.840.113549.1.9.1"],
];

/** The distinguished name; a value that is empty counts as left out. */
export function distinguishedName(subject: Subject | undefined): Name {
    const parts: RelativeDistinguishedName[] = [];
    for (const [field, type] of attributes) {
        const values = [subject?.[field] ?? []].flat().filter((value) => value !== "");
        if (values.length > 0) {
            parts.push(
                relativeName(
                    type,
                    values.map((value) => textOf(field, value)),
                ),
            );
        }
    }
    return new Name(parts);
}

/** One part of a name; several street addresses are a set, which DER sorts by its members' encodings. */
function relativeName(type: string, values: AttributeValue[]): RelativeDistinguishedName {
    const members = values.map((value) => {
        const member = new AttributeTypeAndValue({ type, value });
        return { member, der: Buffer.from(AsnConvert.serialize(member)) };
    });
    members.sort((a, b) => a.der.compare(b.der));
    return new RelativeDistinguishedName(members.map(({ member }) => member));
}

function textOf(field: keyof Subject, value: string): AttributeValue {
    if (field === "emailAddress") {
        return new AttributeValue({ ia5String: value });
    }
    // The older type where it suffices: some verifiers compare names byte by byte.
    return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value)
        ? new AttributeValue({ printableString: value })
        : new AttributeValue({ utf8String: value });
}

export function generalNames(names: AlternativeNames): GeneralName[] {
    return [
        ...(names.dnsNames ?? []).map((dNSName) => new GeneralName({ dNSName })),
        ...(names.ipAddresses ?? []).map(
            // An IPv4 address in the clothes of IPv6 is IPv4, as in Go.
            (address) => new GeneralName({ iPAddress: ipaddr.process(address).toNormalizedString() }),
        ),
        ...(names.uris ?? []).map(
            (uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier }),
        ),
    ];
}

/** Those of a request that go into the certificate: the official plugin leaves all other kinds behind. */
export function certifiedNames(names: readonly GeneralName[]): GeneralName[] {
    return [
        ...names.filter((name) => name.dNSName !== undefined),
        ...names.filter((name) => name.iPAddress !== undefined),
        ...names.filter((name) => name.uniformResourceIdentifier !== undefined),
    ];
}

function refuseNonAscii(value: string): string | undefined {
    return /^[\x20-\x7e]*$/.test(value)
        ? undefined
        : "must be ASCII; international domain names are written as xn--…";
}

function refuseAddress(value: string): string | undefined {
    return isIP(value) === 0 || value.includes("%")
        ? "must be an IPv4 or IPv6 address, without a zone or a prefix length"
        : undefined;
}

function refuseUri(value: string): string | undefined {
    return /^[A-Za-z][A-Za-z0-9+.-]*:(?:[!-$&-~]|%[0-9A-Fa-f]{2})+$/.test(value)
        ? undefined
        : "must be a URI: a scheme, a colon and ASCII without blanks, with % only before two hexadecimal digits";
}
