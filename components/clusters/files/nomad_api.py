"""Nomad's side of acl.py: the agent on this machine by HTTPS."""

import ssl


class NomadApi(Api):
    def __init__(self, base, ca):
        super().__init__(base)
        context = ssl.create_default_context(cafile=ca)
        # No proxy of the environment's: the agent is on this machine.
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def __call__(self, method, path, body=None, token=None):
        """The answer's JSON; None when there is none. Raises Refused, or OSError without an answer."""
        secret = token or self.token
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Nomad-Token": secret} if secret else {},
        )
        try:
            with self.opener.open(request, timeout=10) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace").strip()[:300]
            raise Refused(error.code, f"{method} {path} answers {error.code}: {reason}") from None
        return json.loads(text) if text.strip() else None

    def leader(self):
        """The address of the leader's RPC."""
        try:
            found = self.get("/v1/status/leader")
        except Refused as refusal:
            raise Unready(str(refusal)) from None
        if not found:
            raise Unready("no leader has been elected")
        return found


def main_of_nomad(run, plan):
    """Runs run(api, plan, arguments), prints what it returns as JSON, and explains why it gave up."""
    arguments = json.loads(sys.argv[1])
    started = time.monotonic()
    try:
        summary = run(NomadApi(arguments["api"], arguments["ca"]), plan, arguments["timeout"])
    except Hopeless as error:
        sys.exit(clean(f"Nomad at {arguments['api']}: {error}"))
    except Exception as error:  # A traceback could show what must not be shown.
        sys.exit(clean(f"Nomad at {arguments['api']}: {type(error).__name__}: {error}"))
    print(json.dumps({**summary, "seconds": round(time.monotonic() - started, 1)}))
