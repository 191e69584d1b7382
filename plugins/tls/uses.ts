import { KeyUsageFlags } from "@peculiar/asn1-x509";

/** Values of `allowedUses` that are bits of the key usage extension (RFC 5280, 4.2.1.3). */
const keyUsages: Record<string, KeyUsageFlags> = {
    digital_signature: KeyUsageFlags.digitalSignature,
    content_commitment: KeyUsageFlags.nonRepudiation,
    key_encipherment: KeyUsageFlags.keyEncipherment,
    data_encipherment: KeyUsageFlags.dataEncipherment,
    key_agreement: KeyUsageFlags.keyAgreement,
    cert_signing: KeyUsageFlags.keyCertSign,
    crl_signing: KeyUsageFlags.cRLSign,
    encipher_only: KeyUsageFlags.encipherOnly,
    decipher_only: KeyUsageFlags.decipherOnly,
};

/** Values of `allowedUses` that are purposes of the extended key usage extension (RFC 5280, 4.2.1.12). */
const purposes: Record<string, string> = {
    any_extended: "2.5.29.37.0",
    server_auth: "1.3.6.1.5.5.7.3.1",
    client_auth: "1.3.6.1.5.5.7.3.2",
    code_signing: "1.3.6.1.5.5.7.3.3",
    email_protection: "1.3.6.1.5.5.7.3.4",
    ipsec_end_system: "1.3.6.1.5.5.7.3.5",
    ipsec_tunnel: "1.3.6.1.5.5.7.3.6",
    ipsec_user: "1.3.6.1.5.5.7.3.7",
    timestamping: "1.3.6.1.5.5.7.3.8",
    ocsp_signing: "1.3.6.1.5.5.7.3.9",
    microsoft_server_gated_crypto: "1.3.6.1.4.1.311.10.3.3",
    netscape_server_gated_crypto: "2.16.840.1.113730.4.1",
    microsoft_commercial_code_signing: "1.3.6.1.4.1.311.2.1.22",
    microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
};

/** All values that `allowedUses` may have. */
export const allowedUses: readonly string[] = [...Object.keys(keyUsages), ...Object.keys(purposes)].sort();

/** The bits of the key usage extension; 0 leaves the extension out. */
export function keyUsageOf(uses: readonly string[]): number {
    return uses.reduce((bits, use) => bits | (keyUsages[use] ?? 0), 0);
}

/** The purposes in the order of the program; none leaves the extension out. */
export function purposesOf(uses: readonly string[]): string[] {
    return uses.flatMap((use) => purposes[use] ?? []);
}
