"""Takes snapshots of the clusters that this machine is a server of, and keeps them encrypted on its own disk.

    snapshot take CONFIGURATION      one of each source; ends with 1 when one has failed
    snapshot report CONFIGURATION    what is kept, and how the last run of each source went, as JSON

The cluster's leader makes a snapshot: of Consul and Nomad whomever one asks, and of etcd since it is the one that is
asked. So the leader leaves its turn to the others: each snapshot lies on a machine that has not made it. It holds secrets
in plain text, so it touches the disk only as a CMS envelope for a key that no machine has. The plain text is on /run,
which is memory, until its own program has found it whole.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time

NAME = re.compile(r"^\d{8}T\d{6}Z-(?P<source>[a-z]+)-\d+-[a-z0-9-]+\.cms$")

# Seconds that a run waits for another one on this machine.
LOCK = 300

# Seconds between two attempts.
PAUSE = 2


class Store:
    """The folder with this machine's snapshots, and what became of the last runs."""

    def __init__(self, settings):
        self.folder = settings["folder"]
        self.keep = settings["keep"]
        self.recipient = settings["recipient"]
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        os.chmod(self.folder, 0o700)

    def path(self, name):
        return os.path.join(self.folder, name)

    def names(self, source=None):
        """Oldest first."""
        found = ((name, NAME.match(name)) for name in sorted(os.listdir(self.folder)))
        return [name for name, match in found if match and source in (None, match["source"])]

    def seal(self, plain, name):
        """Encrypts a file into the store; it is there as a whole or not at all."""
        draft = self.path(f".draft-{name}")
        try:
            run([
                *("openssl", "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER"),
                *("-in", plain, "-out", draft, "-recip", self.recipient, "-keyopt", "ecdh_kdf_md:sha256"),
            ])
            with open(draft, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(draft, self.path(name))
            self.sync()
        except OSError as error:
            raise Failed(f"{self.folder}: {error}") from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(draft)

    def sync(self):
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def tidy(self, source):
        """Lets go of what is more than is to be kept, and of what an interrupted run has left."""
        for name in self.names(source)[: -self.keep]:
            os.unlink(self.path(name))
        for draft in glob.glob(glob.escape(self.folder) + "/.draft-*"):
            os.unlink(draft)

    def read_status(self):
        try:
            with open(self.path("status.json"), encoding="utf8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def write_status(self, status):
        draft = self.path(".draft-status")
        with open(draft, "w", encoding="utf8") as file:
            json.dump(status, file, indent=2)
        os.replace(draft, self.path("status.json"))

    def files(self):
        for name in self.names():
            with open(self.path(name), "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                yield {"name": name, "size": file.tell(), "sha256": digest}

    @contextlib.contextmanager
    def locked(self):
        """The timer and an operator may ask at once: one after the other."""
        with open(self.path(".lock"), "w", encoding="utf8") as handle:
            deadline = time.monotonic() + LOCK
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Failed("another run on this machine does not end") from None
                    time.sleep(0.2)
            yield


class Scratch:
    """A folder in memory for the plain text. Under the lock: what is there is an interrupted run's."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o700)
        return tempfile.mkdtemp(dir=self.folder)

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def take_one(source, settings, store):
    """One attempt: the outcome, and the line that says so."""
    leads = source.leader() == settings["address"]
    if leads and not settings["alone"]:
        return {"outcome": "left to the others"}, f"{source.name}: this server leads, so the others keep the snapshot"
    with Scratch(settings["scratch"]) as folder:
        plain = os.path.join(folder, "snapshot")
        index = source.take(plain)
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{source.name}-{index}-{settings['node']}.cms"
        store.seal(plain, name)
    store.tidy(source.name)
    where = "; this is the only server, so it lies nowhere else" if settings["alone"] else ""
    return {"outcome": "kept", "file": name}, f"{source.name}: kept {name}{where}"


def take(settings):
    store = Store(settings)
    with open(settings["secrets"], encoding="utf8") as file:
        secrets = json.load(file)
    failures = 0
    with store.locked():
        status = store.read_status()
        for source in [Source(each, secrets) for each in settings["sources"]]:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            before = status.get(source.name, {})
            # An election takes seconds; an agent that restarts does, too.
            deadline = time.monotonic() + settings["patience"]
            while True:
                try:
                    outcome, line = take_one(source, settings, store)
                    print(line, flush=True)
                    kept = {"lastKept": now} if outcome["outcome"] == "kept" else {}
                    status[source.name] = {**before, **kept, **outcome, "at": now, "failures": 0, "error": None}
                    break
                except (Failed, OSError) as failure:
                    if time.monotonic() < deadline:
                        time.sleep(PAUSE)
                        continue
                    failures += 1
                    print(f"{source.name}: no snapshot: {failure}", file=sys.stderr, flush=True)
                    count = before.get("failures", 0) + 1
                    status[source.name] = {
                        **before, "outcome": "failed", "at": now, "failures": count, "error": str(failure),
                    }
                    break
            store.write_status(status)
    return 1 if failures else 0


def report(settings):
    store = Store(settings)
    json.dump({
        "node": settings["node"],
        "now": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sources": store.read_status(),
        "files": list(store.files()),
    }, sys.stdout)
    return 0


def main(arguments):
    os.umask(0o077)
    work = {"take": take, "report": report}.get(arguments[0] if arguments else "")
    if work is None or len(arguments) != 2:
        print("snapshot take CONFIGURATION, or snapshot report CONFIGURATION", file=sys.stderr)
        return 2
    try:
        with open(arguments[1], encoding="utf8") as file:
            settings = json.load(file)
        return work(settings)
    except (Failed, OSError, ValueError) as error:
        print(f"snapshots: {error}", file=sys.stderr)
        return 1


sys.exit(main(sys.argv[1:]))
