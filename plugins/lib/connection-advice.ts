/** OpenSSL's and Node's codes for a certificate that is not to be trusted (`tls.TLSSocket.authorizationError`). */
const untrusted = new Set([
    "CERT_UNTRUSTED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "CERT_SIGNATURE_FAILURE",
]);

/** What to do about a connection that failed, in the words of the providers' settings. */
export function adviseConnection(error: NodeJS.ErrnoException, protocol: string): string {
    const code = error.code ?? "";
    if (untrusted.has(code)) {
        return `Set the provider's "caPem" or "caFile" to the certificate authority that signed its certificate`;
    }
    if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
        return `Set the provider's "address" to a name or address that its certificate is for`;
    }
    if (/wrong version number|packet length too long/i.test(error.message)) {
        return `It does not speak HTTPS: use http in the provider's address`;
    }
    // TLS 1.3 and TLS 1.2 have an alert of their own for a certificate that is missing.
    if (/alert.*(certificate|unknown ca|handshake failure)/i.test(error.message)) {
        return (
            `It wants a client certificate that it trusts: set the provider's "certPem" and "keyPem", ` +
            `or "certFile" and "keyFile"`
        );
    }
    // The server may have gone before its alert could be read.
    if (protocol === "https:" && (code === "ECONNRESET" || code === "EPIPE")) {
        return (
            `Check that the cluster runs, and, in case it wants a client certificate, set the provider's "certPem" ` +
            `and "keyPem", or "certFile" and "keyFile"`
        );
    }
    return `Check that the cluster runs and that the provider's "address" is right`;
}

/** Go's HTTPS servers answer plain HTTP in these words. */
export function adviseScheme(answer: string): string | undefined {
    return /client sent an HTTP request to an HTTPS server/i.test(answer)
        ? `Use https in the provider's address`
        : undefined;
}
