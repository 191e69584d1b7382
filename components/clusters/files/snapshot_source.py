"""What a snapshot is asked of: a system's own command line, and whoever leads it."""

import json
import os
import ssl
import subprocess
import urllib.parse
import urllib.request

# Seconds that one command may take.
COMMAND = 300


class Failed(Exception):
    """Why there is no snapshot, in words for a person."""


def run(command, environment=None):
    """A command's output; its last words when it fails. No secret is among its arguments."""
    what = " ".join(command[:3])
    try:
        result = subprocess.run(
            command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=COMMAND, check=False, text=True, errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{what} has not ended after {COMMAND} s") from None
    except OSError as error:
        raise Failed(f"{what}: {error}") from None
    if result.returncode != 0:
        # etcdctl logs what it does around what it says.
        said = [line for line in (result.stderr or result.stdout).splitlines() if not line.startswith('{"level":')]
        raise Failed(f"{what}: {chr(10).join(said).strip()[-500:]}")
    return result.stdout


class Source:
    """A system that can be asked for a snapshot of all it knows."""

    def __init__(self, settings, secrets):
        self.name = settings["name"]
        self.environment = {**settings["environment"], **secrets[self.name]}
        self.leads = settings.get("leader")
        self.save = settings["save"]
        self.inspect = settings["inspect"]
        self.index = settings["index"]

    def leader(self):
        """The leader's address; None where the system needs no such distinction."""
        if self.leads is None:
            return None
        if "endpoints" in self.leads:
            endpoint = self.leading_endpoint()
            # Any member would give a snapshot, of its own: only the leader's has surely all that was acknowledged.
            self.environment["ETCDCTL_ENDPOINTS"] = endpoint
            return urllib.parse.urlsplit(endpoint).hostname
        # No proxy of the environment's: the agent is on this machine.
        handlers = [urllib.request.ProxyHandler({})]
        if self.leads["url"].startswith("https:"):
            context = ssl.create_default_context(cafile=self.leads.get("ca"))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        try:
            with urllib.request.build_opener(*handlers).open(self.leads["url"], timeout=10) as answer:
                leader = json.load(answer)
        except (OSError, ValueError) as error:
            raise Failed(f"{self.name} does not answer: {error}") from None
        if not leader:
            raise Failed(f"{self.name} has no leader")
        return leader.rpartition(":")[0].strip("[]")

    def leading_endpoint(self):
        """The endpoint of etcd's leader, as it says itself. One that was cut off may say so, too, of an earlier term."""
        etcd = Etcd(self.leads)
        leading, silent = [], []
        for endpoint in self.leads["endpoints"]:
            try:
                said = etcd.status(endpoint)
                if said.get("leader") == said["header"]["member_id"]:
                    leading.append((int(said.get("raftTerm", 0)), endpoint))
            except (EtcdRefused, OSError, ValueError, LookupError) as error:
                silent.append(str(error))
        if not leading:
            raise Failed("; ".join([f"{self.name} has no leader", *silent]))
        return max(leading)[1]

    def take(self, path):
        """Writes a snapshot and returns the index of its last entry, once its own program has found it whole."""
        run([*self.save, path], self.environment)
        try:
            found = json.loads(run([*self.inspect, path], self.environment))
            for key in self.index:
                found = found[key]
            return int(found)
        except (ValueError, LookupError, TypeError) as error:
            raise Failed(f"what {self.inspect[0]} says of the snapshot is not understood: {error}") from None
