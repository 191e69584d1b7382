"""Makes the agents of this server's clusters encrypt gossip with one key each, before any configuration names it.

An agent reads the key of its configuration on its first start alone and keeps a keyring from then on, so a machine that
has no keyring yet needs nothing: its agent will start with the key.
"""

import os


def run(arguments, secrets):
    summaries = {}
    for system, change in (("consul", change_consul), ("nomad", change_nomad)):
        if system not in arguments:
            continue
        if not os.path.exists(arguments[system]["keyring"]):
            summaries[system] = "starts with its key"
            continue
        summaries[system] = {"changed": False, "removed": 0}
        try:
            change(arguments, secrets, summaries[system])
        except Hopeless as error:
            raise Hopeless(f"{system.capitalize()} at {arguments[system]['api']}: {error}") from None
    return summaries


def change_consul(arguments, secrets, summary):
    api = consul_api(arguments, secrets)

    def attempt():
        api.token = management(api, secrets["consul"]["management"])
        rotate_consul(api, secrets["consul"]["key"], summary)

    persist(arguments["timeout"], attempt)


def change_nomad(arguments, secrets, summary):
    SECRETS.update([secrets["nomad"]["key"], secrets["nomad"]["management"]])
    api = NomadApi(arguments["nomad"]["api"], arguments["nomad"]["ca"])
    api.token = secrets["nomad"]["management"]

    def attempt():
        without = None
        if "consul" in arguments:
            consul = consul_api(arguments, secrets)
            consul.token = management(consul, secrets["consul"]["management"])
            without = replaced(consul)
        rotate_nomad(api, secrets["nomad"]["key"], without, summary)

    persist(arguments["timeout"], attempt)


def consul_api(arguments, secrets):
    SECRETS.update([secrets["consul"]["key"], *secrets["consul"]["management"]])
    return Api(arguments["consul"]["api"])
