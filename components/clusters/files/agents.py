"""The agents of Consul and Nomad on this machine, and what their clusters say of their health."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

# serf's member states, in the order of Consul's API.
SERF = ["none", "alive", "leaving", "left", "failed"]


class Agent:
    """The HTTP API of an agent on this machine."""

    def __init__(self, name, base, headers=None, ca=None):
        self.name = name
        self.base = base
        self.headers = headers or {}
        # No proxy of the environment's: the agent is on this machine.
        handlers = [urllib.request.ProxyHandler({})]
        if base.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
        self.opener = urllib.request.build_opener(*handlers)

    def ask(self, method, path, body=None, accept=(), timeout=5):
        """The answer's JSON; None for 404. `body`: a text as it is, all else as JSON. `accept`: codes besides success whose
        answer counts as well."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=self.headers)
        try:
            with self.opener.open(request, timeout=timeout) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 404:
                return None
            if error.code not in accept:
                # Without the query: it may be long.
                what = f"{self.name}: {method} {path.split('?')[0]}"
                raise Refused(f"{what} answers {error.code}: {text.strip()[:200]}") from None
        return json.loads(text) if text.strip() else None

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def put(self, path, body=None, **options):
        return self.ask("PUT", path, body, **options)

    def answers(self, seconds):
        """Whether it answers at all, whatever it says, within some time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.ask("GET", "/v1/status/leader", accept=range(400, 600), timeout=2)
                return True
            except (OSError, ValueError):
                if time.monotonic() > deadline:
                    return False
                time.sleep(LOOK)


def members(consul):
    """The members that this agent knows: name → status, node id and address. The id changes with the machine."""
    return {
        each["Name"]: {
            "status": SERF[each["Status"]],
            "id": (each["Tags"] or {}).get("id", ""),
            "address": each.get("Addr", ""),
        }
        for each in consul.get("/v1/agent/members")
    }


def peers(consul):
    """The servers that Raft counts."""
    return consul.get("/v1/operator/raft/configuration")["Servers"]


def leader_of(servers):
    return next((each["Node"] for each in servers if each["Leader"]), None)


def voters_of(servers):
    return sorted(each["Node"] for each in servers if each["Voter"])


def plain_name(server):
    """Nomad calls a server by its name and region."""
    return server["Name"].split(".", 1)[0]


def autopilot_complaints(what, health, without):
    """What Autopilot has against the servers, those in `without` left out."""
    servers = (health or {}).get("Servers") or []
    if not servers:
        return [f"{what}'s Autopilot has no verdict yet"]
    complaints = []
    indexes = {}
    for server in servers:
        name = plain_name(server)
        if name in without:
            continue
        if not server["Healthy"]:
            complaints.append(f"{what} server {name} is not healthy (its agent is {server['SerfStatus']})")
        elif not server["Voter"]:
            complaints.append(f"{what} server {name} does not vote yet")
        else:
            indexes[name] = server["LastIndex"]
    if indexes and max(indexes.values()) - min(indexes.values()) > NEAR:
        last = min(indexes, key=indexes.get)
        complaints.append(f"{what} server {last} is {max(indexes.values()) - indexes[last]} Raft entries behind")
    return complaints


def consul_complaints(consul, servers, without=()):
    """What is missing for a healthy Consul. `servers`: those that have to be there; `without`: whose absence is known."""
    raft = peers(consul)
    if leader_of(raft) is None:
        return ["Consul has no leader"]
    voters = voters_of(raft)
    known = members(consul)
    complaints = []
    for name in servers:
        if name in without:
            continue
        member = known.get(name, {"status": "not a member"})
        if member["status"] != "alive":
            complaints.append(f"Consul server {name} is {member['status']}{place(member)}")
        elif name not in voters:
            complaints.append(f"Consul server {name} is not a voter")
    # 429 says "not healthy", which may be for the sake of one that does not count here.
    health = consul.get("/v1/operator/autopilot/health", accept=(429,))
    complaints += autopilot_complaints("Consul", health, without)
    return complaints or unreachable("Consul", {each["Node"]: each["Address"] for each in raft}, without)


def nomad_complaints(nomad, servers, without=()):
    """What is missing for healthy Nomad servers. Autopilot forgets one that stays away: `servers` does not."""
    if not nomad.get("/v1/status/leader"):
        return ["Nomad has no leader"]
    health = nomad.get("/v1/operator/autopilot/health", accept=(429,))
    known = [plain_name(each) for each in (health or {}).get("Servers") or []]
    missing = [name for name in servers if name not in known and name not in without]
    # One that was removed has no vote any more, and is listed until its peers have noticed that it is gone.
    former = {plain_name(each) for each in (health or {}).get("Servers") or [] if servers and not each["Voter"]}
    without = {*without, *(former - set(servers))}
    complaints = autopilot_complaints("Nomad", health, without)
    complaints += [f"Nomad server {name} is not a member" for name in missing]
    return complaints or unreachable("Nomad", {plain_name(each): each["Address"] for each in health["Servers"]}, without)


def place(member):
    """Where a member was seen last, in words."""
    return f" (last seen at {member['address']})" if member.get("address") else ""


def silent_servers(consul, complaints):
    """Servers that this agent knows and that do not answer where the others would join them: a cluster that has no
    leader says no more than that. Those that are complained of are left out."""
    try:
        found = [each for each in consul.get("/v1/agent/members") if (each["Tags"] or {}).get("role") == "consul"]
    except AGENT_ERRORS:
        return []
    named = " ".join(complaints)
    addresses = {each["Name"]: f"{each['Addr']}:{each['Port']}" for each in found if each["Name"] not in named}
    return unreachable("Consul", addresses, ())
