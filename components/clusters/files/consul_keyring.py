"""Gives all agents of a Consul cluster one gossip key, without a restart."""

import base64

# serf's member states, in the order of Consul's API.
STATES = ["none", "alive", "leaving", "left", "failed"]


def keys(api):
    """For every key: how many agents know it, how many encrypt with it; and how many there are."""
    (lan,) = [each for each in api.get("/v1/operator/keyring") if not each["WAN"]]
    SECRETS.update(lan["Keys"])
    return lan["Keys"], lan["PrimaryKeys"], lan["NumNodes"]


def replaced(api):
    """The node whose machine is being replaced, if there is one: its successor has the key from its files."""
    found = api.get("/v1/kv/gatehouse/turn")
    try:
        turn = json.loads(base64.b64decode(found[0]["Value"])) if found else {}
    except ValueError:
        turn = {}
    return turn.get("node") if turn.get("phase") == "replacing" else None


def rotate_consul(api, key, summary):
    states = {member["Name"]: STATES[member["Status"]] for member in api.get("/v1/agent/members")}
    absent = {name for name, state in states.items() if state in ("failed", "leaving")} - {replaced(api)}
    if absent:
        said = ", ".join(f"{name} is {states[name]}" for name in sorted(absent))
        raise Unready(f"an agent that misses the change could not come back: {said}")
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
