"""Gives all servers of a Nomad cluster one gossip key, without a restart."""


def rotate_nomad(api, key, without, summary):
    """`without`: the node whose machine is being replaced, if there is one."""
    api.leader()
    absent = sorted(
        f"{member['Name']} is {member['Status']}"
        for member in api.get("/v1/agent/members")["Members"]
        if member["Status"] not in ("alive", "left") and member["Name"].split(".", 1)[0] != without
    )
    if absent:
        raise Unready(f"a server that misses the change could not come back: {', '.join(absent)}")
    ring = api.get("/v1/agent/keyring/list")
    known, nodes = ring["Keys"], ring["NumNodes"]
    SECRETS.update(known)
    if known.get(key) != nodes:
        api("POST", "/v1/agent/keyring/install", {"Key": key})
        summary["changed"] = True
        raise Unready("the key is on its way to all servers")
    others = [other for other in known if other != key]
    if others:
        # Nomad does not say which key the servers encrypt with: told twice, they do the same.
        api("POST", "/v1/agent/keyring/use", {"Key": key})
        summary["changed"] = True
    for other in others:
        api("POST", "/v1/agent/keyring/remove", {"Key": other})
        summary["removed"] += 1
    summary["servers"] = nodes
