"""Makes Nomad's ACL system know the management token whose secret the caller has made.

Nomad takes a secret for this one token only; it makes those of all others itself.
"""

import re

# That the secret is unknown may be said by a server that is behind the leader: believed after so many seconds.
PATIENCE = 5


def known(api, secret):
    """Whether the secret is that of a management token."""
    try:
        token = api.get("/v1/acl/token/self", token=secret)
    except Refused as refusal:
        if "ACL support disabled" in str(refusal):
            raise Hopeless("its ACLs are off; its configuration lacks `acl { enabled = true }`") from None
        if refusal.status != 403:
            raise
        token = None
    if token is not None and token["Type"] != "management":
        raise Hopeless(f"token {token['AccessorID']} with the given secret manages nothing")
    return token is not None


def bootstrap(api, secret):
    """Whether this made the token; else the index that a reset needs."""
    try:
        api("POST", "/v1/acl/bootstrap", {"BootstrapSecret": secret})
        return True, None
    except Refused as refusal:
        already = re.search(r"already done \(reset index: (\d+)\)", str(refusal))
        if not already:
            raise
        return False, already.group(1)


def run(api, plan, timeout):
    secret = plan["secret"]
    SECRETS.add(secret)
    # Nomad takes anything else for a signed identity, and says so with 500.
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", secret):
        raise Hopeless("the secret of its management token must be a UUID")
    summary = {"bootstrapped": False}
    refused = None

    def attempt():
        nonlocal refused
        leader = api.leader()
        if known(api, secret):
            return
        made, index = bootstrap(api, secret)
        if made:
            summary["bootstrapped"] = True
            raise Unready("the new token has not reached this server yet")
        refused = refused or time.monotonic()
        if summary["bootstrapped"] or time.monotonic() - refused < PATIENCE:
            raise Unready("the secret is not known, though the ACLs are bootstrapped")
        raise Hopeless(
            "its ACLs were bootstrapped with another secret than the one that this program has.\n"
            "If the old one is known, give it back to the program. If not, make Nomad take the new one:\n"
            f"on the leader ({leader.rsplit(':', 1)[0]}), as root:\n"
            f"    echo {index} > /var/lib/nomad/server/acl-bootstrap-reset\n"
            "then run this again, and delete the old management token (`nomad acl token list`)."
        )

    persist(timeout, attempt)
    return summary
