"""What all scripts that change a node have in common: this machine, the command that wants something, and how they end.

It is put in front of them. `sys.argv[1]` has the arguments as JSON, `PAYLOAD` the secrets as JSON, so that a command line
shows none.
"""

import fcntl
import json
import os
import socket
import ssl
import subprocess
import sys
import time

# Seconds between two looks at something that is waited for.
LOOK = 0.25


class Failed(Exception):
    """Ends the script with words for a person."""


class Gone(Failed):
    """The update that asked for this script was interrupted: what is half done is for the next one to finish."""


class Refused(Exception):
    """An agent's answer that is not a success."""


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


def stop(units):
    for unit in units:
        systemctl("stop", unit, check=False)


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
