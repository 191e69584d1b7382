"""Announces one instance of an application in etcd for as long as it answers its health check.

    etcd-registration SETTINGS

The key hangs on a lease, which this program keeps alive: after its end, the machine's or the network's, etcd takes the key
away by itself. SIGTERM, which systemd sends before it stops the application, takes it away at once; the program ends when
balancers have had the time to hear of it.

`settings`: {"key", "value", "health": url, "ttl", "delay", "check": {"interval", "timeout", "fall", "rise"}, "etcd": what
etcd_api.py takes, "password": path}; seconds and counts. What is said is said once for every change.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time

# Seconds until a failed question is asked again: while there is a lease to lose, and otherwise.
AGAIN = 0.2
LATER = 1

# The share of the lease after which it is renewed, and the share in which all members can be asked: together less than one
# (shortestLease in member.ts).
RENEWED_AFTER = 1 / 3
ASKED_WITHIN = 1 / 2

# What every member would say.
FINAL = ("lease not found", "permission denied", "authentication failed")


class Away(Exception):
    """No member has answered."""


class Stopped(BaseException):
    """SIGTERM: whatever is under way is dropped."""


def systemd(**state):
    path = os.environ.get("NOTIFY_SOCKET")
    if path is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, contextlib.suppress(OSError):
        line.sendto(
            "\n".join(f"{key}={value}" for key, value in state.items()).encode(),
            "\0" + path[1:] if path.startswith("@") else path,
        )


class Log:
    """Lines for the journal, one for every change, and what `systemctl status` shows."""

    def __init__(self):
        self.last = None

    def say(self, what, detail=""):
        """The detail may change with every attempt and makes no new line."""
        if what != self.last:
            self.last = what
            print(what + detail, flush=True)
        systemd(STATUS=(what + detail).replace("\n", " "))


class Members:
    """Questions to whichever member answers, the one that did last first. A member that is cut off from the others
    answers with an error: then the next is asked."""

    def __init__(self, settings, password_file, ttl):
        self.settings, self.password_file = settings, password_file
        # Each machine begins with another one.
        self.endpoints = random.sample(settings["endpoints"], len(settings["endpoints"]))
        # A connection that was kept may have to be tried twice.
        self.quick = ttl * ASKED_WITHIN / (len(self.endpoints) + 1)
        self.etcd = None

    def ask(self, path, body, quick, anybody=False):
        """`quick`: so that the whole round fits into a lease. Otherwise there is time, e.g. for etcd's slow hashes of
        passwords. `anybody`: etcd asks for no password."""
        timeout = self.quick if quick else ETCD_TIMEOUT
        problem = None
        for endpoint in list(self.endpoints):
            systemd(WATCHDOG=1)
            try:
                etcd = self.connected()
                answer = (etcd.ask_once if anybody else etcd.ask)(path, body, endpoint, timeout)
                # What a stream ends with comes as an answer like any other.
                if "error" in answer:
                    raise EtcdRefused(path, str(answer["error"].get("message")))
            except EtcdRefused as error:
                if any(each in error.text for each in FINAL):
                    self.etcd = None
                    raise
                problem = error
                continue
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = error
                continue
            self.endpoints.remove(endpoint)
            self.endpoints.insert(0, endpoint)
            return answer
        if not quick:
            self.etcd = None
        raise Away(str(problem))

    def connected(self):
        """After a failure anew, with the certificate and the password that are there then: they may have been renewed."""
        if self.etcd is None:
            with open(self.password_file, encoding="utf-8") as file:
                self.etcd = Etcd(self.settings, file.read().strip())
        return self.etcd


class Lease:
    """The key on its lease."""

    def __init__(self, settings, members):
        self.key, self.value, self.ttl = settings["key"], settings["value"], settings["ttl"]
        self.members = members
        self.id = None
        self.ends = 0
        self.hurry = False

    @property
    def held(self):
        """Whether there is something to lose, as far as one knows here."""
        return self.id is not None and time.monotonic() < self.ends

    def ask(self, path, body, **how):
        return self.members.ask(path, body, quick=self.held or self.hurry, **how)

    def take(self):
        began = time.monotonic()
        said = self.ask("/v3/lease/grant", {"TTL": str(self.ttl)})
        self.id, self.ends = said["ID"], began + int(said["TTL"])
        self.put()

    def put(self):
        self.ask("/v3/kv/put", {"key": b64(self.key), "value": b64(self.value), "lease": self.id})

    def renew(self):
        """What had to be done beyond that, in words; None if nothing."""
        began = time.monotonic()
        # Also while a new password is on its way to this machine.
        said = self.ask("/v3/lease/keepalive", {"ID": self.id}, anybody=True).get("result", {})
        ttl = int(said.get("TTL", 0))
        if ttl == 0:
            return self.anew()
        self.ends = began + ttl
        found = self.ask("/v3/kv/range", {"key": b64(self.key)}).get("kvs")
        if found and plain(found[0].get("value")) == self.value and found[0].get("lease") == self.id:
            return None
        self.put()
        return "somebody had changed the key" if found else "somebody had deleted the key"

    def anew(self):
        self.id = None
        self.take()
        return "the lease had run out"

    def drop(self):
        """The key goes with its lease. One that another machine has put there since then stays."""
        if self.id is None:
            return
        try:
            self.ask("/v3/lease/revoke", {"ID": self.id})
        except EtcdRefused as error:
            if "lease not found" not in error.text:
                raise Away(error.text) from None
        self.id = None


class Registration:
    def __init__(self, settings):
        self.settings, self.log = settings, Log()
        self.ttl, self.delay = settings["ttl"], settings["delay"]
        self.lease = Lease(settings, Members(settings["etcd"], settings["password"], self.ttl))
        self.changed = threading.Event()
        self.health = Health(settings["health"], settings["check"], self.changed)
        self.announced = False

    def run(self):
        """Until SIGTERM."""
        try:
            signal.signal(signal.SIGTERM, self.stop)
            self.health.start()
            while True:
                self.changed.clear()
                pause = self.step()
                systemd(WATCHDOG=1)
                self.changed.wait(pause)
        except Stopped:
            self.leave()

    @staticmethod
    def stop(*_):
        # Once is enough: nothing interrupts the way out.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    def step(self):
        """Seconds until the next one."""
        began = time.monotonic()
        try:
            if self.health.well:
                self.announce()
            else:
                self.withdraw()
        except Away as error:
            what = "etcd does not answer: the lease runs out" if self.lease.id else "waiting for etcd"
            self.log.say(what, f": {error}")
            return AGAIN if self.lease.held else LATER
        except EtcdRefused as error:
            self.log.say(f"etcd refuses: {error.text}")
            return LATER
        return max(0, began + self.ttl * RENEWED_AFTER - time.monotonic())

    def announce(self):
        if self.lease.id is None:
            self.lease.take()
        else:
            repaired = self.lease.renew()
            if repaired is not None:
                self.log.say(f"{repaired}; it is put again")
        self.log.say(f"registered: {self.settings['key']} = {self.settings['value']}")
        self.announced = True

    def withdraw(self):
        self.lease.drop()
        what = "taken away: the application fails its check" if self.announced else "waiting for the application"
        if self.health.problem is not None:
            self.log.say(what, f": {self.settings['health']}: {self.health.problem}")

    def leave(self):
        systemd(STOPPING=1)
        if self.lease.id is None:
            self.log.say("stopped: it was not registered")
            return
        gone = self.give_back()
        self.log.say(
            f"deregistered; balancers have {self.delay:g} s to notice"
            if gone
            else f"etcd does not answer, but the lease has run out; balancers have {self.delay:g} s to notice"
        )
        ends = time.monotonic() + self.delay
        # Where the application has ended already, there is nothing to wait for.
        while time.monotonic() < ends and self.health.listens():
            time.sleep(min(AGAIN, max(0, ends - time.monotonic())))

    def give_back(self):
        """Whether the key is gone by our doing. Without etcd it is gone when the lease has run out."""
        self.lease.hurry = True
        while True:
            try:
                self.lease.drop()
                return True
            except Away as error:
                if not self.lease.held:
                    return False
                self.log.say("etcd does not answer; waiting until the lease has run out", f": {error}")
                time.sleep(AGAIN)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        Registration(json.load(file)).run()


main()
