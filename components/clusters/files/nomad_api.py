"""Nomad's side of acl.py: the agent on this machine by HTTPS."""

import ssl


class NomadApi(Api):
    header = "X-Nomad-Token"

    def __init__(self, base, ca):
        super().__init__(base)
        context = ssl.create_default_context(cafile=ca)
        # No proxy of the environment's: the agent is on this machine.
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

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
    """As main, with run(api, plan, seconds)."""

    def with_api(arguments, plan):
        return run(NomadApi(arguments["api"], arguments["ca"]), plan, arguments["timeout"])

    main(with_api, plan, "Nomad")
