"""What scripts share that give a cluster its secrets through the API of the agent on this machine."""

import json
import sys
import time
import urllib.error
import urllib.request

# Texts that must not be printed, whatever an agent's answer says.
SECRETS = set()


class Refused(Exception):
    """The agent answered, but not as hoped."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Unready(Exception):
    """Not yet; worth another try."""


class Hopeless(Exception):
    """No other try will help."""


class Api:
    header = "X-Consul-Token"

    def __init__(self, base, token=None):
        self.base = base
        self.token = token
        # No proxy of the environment's: the agent is on this machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __call__(self, method, path, body=None, token=None):
        """The answer's JSON; None when there is none. Raises Refused, or OSError without an answer."""
        secret = token or self.token
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={self.header: secret} if secret else {},
        )
        try:
            with self.opener.open(request, timeout=10) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace").strip()[:300]
            raise Refused(error.code, f"{method} {path} answers {error.code}: {reason}") from None
        return json.loads(text) if text.strip() else None

    def get(self, path, token=None):
        """The answer's JSON; None if there is no such thing."""
        try:
            return self("GET", path, token=token)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise


def clean(text):
    for secret in SECRETS:
        text = text.replace(secret, "(secret)")
    return text


def persist(seconds, attempt):
    """Calls attempt() until it returns; passes over what time may heal."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Refused as refusal:
            # 4xx is an answer about the request; 429 and 5xx are about the cluster's state.
            if refusal.status < 500 and refusal.status != 429:
                raise Hopeless(str(refusal)) from None
            complaint = str(refusal)
        except (Unready, OSError) as error:
            complaint = str(error)
        if time.monotonic() > deadline:
            raise Hopeless(f"not within {seconds} s; seen last: {complaint}")
        time.sleep(0.1)


def management(api, secrets):
    """The first of the secrets that the cluster knows, once it has a leader."""
    if not api.get("/v1/status/leader"):
        raise Unready("no leader has been elected")
    complaint = "the plan names no management token"
    for secret in secrets:
        try:
            found = api.get("/v1/acl/token/self", token=secret)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            found = None
            complaint = (
                "the management token is not known. A new cluster makes it (initial_management); one that was "
                "bootstrapped with another token needs that, or a reset: "
                "https://developer.hashicorp.com/consul/docs/secure/acl/troubleshoot#reset-the-acl-system"
            )
        if found is None:
            continue
        if not any(policy["Name"] == "global-management" for policy in found.get("Policies") or []):
            raise Hopeless(f"token {found['AccessorID']} of the plan manages nothing")
        return secret
    raise Unready(complaint)


def main(run, plan, system="Consul"):
    """Runs run(arguments, plan), prints what it returns as JSON, and explains in one line why it gave up. The arguments
    have the `api` that it works with; else the errors of run name it."""
    arguments = json.loads(sys.argv[1])
    where = f"{system} at {arguments['api']}" if "api" in arguments else system
    started = time.monotonic()
    try:
        summary = run(arguments, plan)
    except Hopeless as error:
        sys.exit(clean(f"{where}: {error}"))
    except Exception as error:  # A traceback could show what must not be shown.
        sys.exit(clean(f"{where}: {type(error).__name__}: {error}"))
    print(json.dumps({**summary, "seconds": round(time.monotonic() - started, 1)}))
