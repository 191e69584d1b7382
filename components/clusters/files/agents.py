"""The agents of this machine, what their clusters say of their health, and the command that wants to know.

It is put in front of the scripts that change a member of a cluster. `sys.argv[1]` has the arguments as JSON, `PAYLOAD`
the secrets as JSON, so that a command line shows none.
"""

import base64
import fcntl
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# Seconds between two looks at something that is waited for.
LOOK = 0.25

# How far Raft's indexes may lie apart. Autopilot's figures are up to two seconds old, and a busy cluster writes on.
NEAR = 100

# serf's member states, in the order of Consul's API.
SERF = ["none", "alive", "leaving", "left", "failed"]


class Failed(Exception):
    """Ends the script with words for a person."""


class Gone(Failed):
    """The update that asked for this script was interrupted: what is half done is for the next one to finish."""


class Refused(Exception):
    """An agent's answer that is not a success."""

    def __init__(self, what, code, text):
        super().__init__(f"{what} answers {code}: {text.strip()[:200]}")
        self.code = code


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
        """The answer's JSON; None for 404. `accept`: codes besides success whose answer counts as well."""
        data = None if body is None else json.dumps(body).encode()
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
                raise Refused(f"{self.name}: {method} {path.split('?')[0]}", error.code, text) from None
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


def consul_agent(settings, secrets):
    return Agent("Consul", settings["api"], {"X-Consul-Token": secrets.get("consul") or ""})


def nomad_agent(settings, secrets):
    return Agent("Nomad", settings["api"], {"X-Nomad-Token": secrets.get("nomad") or ""}, settings.get("ca"))


# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED.
EXPIRED = 10


def described(error):
    """An error of an agent as one complaint."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, ssl.SSLCertVerificationError) and reason.verify_code == EXPIRED:
        return "the agent's certificate has expired: up puts a new one in place"
    return str(error) if isinstance(error, (Refused, Failed)) else f"an agent does not answer: {error}"


# What a look at an agent may raise while the agent, or its cluster, is not there.
AGENT_ERRORS = (Refused, OSError, ValueError, KeyError, TypeError)


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


def unreachable(what, addresses, without):
    """Servers whose port takes no connection. Nomad's members notice after half a minute only that one is away, and
    until then Autopilot repeats what it knew last. To be asked when all else is well: the servers log it."""
    complaints = []
    for name, address in sorted(addresses.items()):
        host, _, port = address.rpartition(":")
        try:
            if name not in without:
                socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except OSError as error:
            complaints.append(f"{what} server {name} does not answer at {address} ({error})")
    return complaints


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


def complaints_of(check):
    """What a check has found; an agent that does not answer is a complaint, too."""
    try:
        return check()
    except AGENT_ERRORS as error:
        return [described(error)]


class Caller:
    """The SSH session that has asked for this script. A script outlives its session; nobody waits for it then."""

    def __init__(self):
        self.pid = os.getppid()
        pid = self.pid
        while pid > 1:
            name, parent, _ = self.process(pid) or ("", 0, None)
            if name.startswith("sshd"):
                self.pid = pid
                break
            pid = parent
        known = self.process(self.pid)
        self.started = known and known[2]

    @staticmethod
    def process(pid):
        """Name, parent and start of a process; None when there is none."""
        try:
            with open(f"/proc/{pid}/stat", encoding="utf8", errors="replace") as file:
                before, _, after = file.read().rpartition(")")
        except OSError:
            return None
        fields = after.split()
        return before.split("(", 1)[1], int(fields[1]), fields[19]

    def gone(self):
        # Process ids come again; together with the start they do not.
        now = self.process(self.pid)
        return self.started is not None and (now is None or now[2] != self.started)

    def check(self):
        if self.gone():
            raise Gone("the update that asked for this has gone away")


class Machine:
    """What this machine remembers of its own: a folder, and a lock, so that one script at a time works on it.

    `member.json` says where the machine stands: no file before its cluster was first seen healthy; "member" from then
    on; "leaving" and "left" when it has been removed from the cluster for good.
    """

    def __init__(self, folder, caller):
        self.folder = folder
        self.caller = caller
        os.makedirs(folder, mode=0o755, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def lock(self, seconds=120):
        """An earlier update that was interrupted may still be at work here; it ends soon."""
        self.handle = open(self.path("lock"), "w", encoding="utf8")
        deadline = time.monotonic() + seconds
        while True:
            try:
                return fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.caller.check()
                if time.monotonic() > deadline:
                    raise Failed("another update is still at work on this machine") from None
                time.sleep(LOOK)

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def write(self, name, value):
        draft = self.path(f".{name}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path(name))

    @property
    def standing(self):
        return (self.read("member.json") or {}).get("standing")

    @standing.setter
    def standing(self, value):
        self.write("member.json", {"standing": value})


def systemctl(*arguments, check=True):
    result = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise Failed(f"systemctl {' '.join(arguments)}: {result.stderr.strip() or result.stdout.strip()}")
    return result


def close_frontends(units, reopen=None):
    """Ends units that take requests from elsewhere: callers find the port closed and go to another machine, what is under
    way may finish. `reopen`: seconds after which they start again by themselves, if the machine is still there."""
    for unit in units:
        if systemctl("is-active", unit, check=False).returncode != 0:
            continue
        if reopen is not None:
            timer = f"gatehouse-reopen-{unit.rsplit('.', 1)[0]}"
            systemctl("stop", f"{timer}.timer", check=False)
            command = ["systemd-run", "--quiet", f"--on-active={reopen}", f"--unit={timer}", "systemctl", "start", unit]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise Failed(f"{unit} would not come back by itself: {result.stderr.strip()}")
        systemctl("stop", unit)


def stamp():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def main(work):
    """Runs a script: its result as JSON on the standard output, or its failure in words."""
    try:
        result = work(json.loads(sys.argv[1]), json.loads(PAYLOAD))
    except Failed as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except AGENT_ERRORS as error:
        print(described(error), file=sys.stderr)
        sys.exit(1)
    print(json.dumps(result))
