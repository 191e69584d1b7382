"""Gives all agents of a Consul cluster one gossip key, without a restart."""

# serf's member states, in the order of Consul's API.
STATES = ["none", "alive", "leaving", "left", "failed"]


def keys(api):
    """For every key: how many agents know it, how many encrypt with it; and how many there are."""
    (lan,) = [each for each in api.get("/v1/operator/keyring") if not each["WAN"]]
    SECRETS.update(lan["Keys"])
    return lan["Keys"], lan["PrimaryKeys"], lan["NumNodes"]


def rotate(api, key, summary):
    absent = {
        member["Name"]: STATES[member["Status"]]
        for member in api.get("/v1/agent/members")
        if STATES[member["Status"]] in ("failed", "leaving")
    }
    if absent:
        states = ", ".join(f"{name} is {state}" for name, state in sorted(absent.items()))
        raise Unready(f"an agent that misses the change could not come back: {states}")
    known, primary, nodes = keys(api)
    if known.get(key) != nodes:
        api("POST", "/v1/operator/keyring", {"Key": key})
        summary["changed"] = True
        raise Unready("the key is on its way to all agents")
    if primary.get(key) != nodes:
        api("PUT", "/v1/operator/keyring", {"Key": key})
        summary["changed"] = True
        raise Unready("the agents change to the key")
    for other in known:
        if other != key:
            api("DELETE", "/v1/operator/keyring", {"Key": other})
            summary["removed"] += 1
    summary["agents"] = nodes


def run(arguments, plan):
    SECRETS.update([plan["key"], *plan["management"]])
    api = Api(arguments["api"])
    summary = {"changed": False, "removed": 0}

    def attempt():
        api.token = management(api, plan["management"])
        rotate(api, plan["key"], summary)

    persist(arguments["timeout"], attempt)
    return summary
