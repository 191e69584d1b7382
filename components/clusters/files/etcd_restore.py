"""What a member of etcd does while its cluster gets the data of a snapshot. The operator's computer has all members do one
phase before the next begins:

    prepare     restores the snapshot beside the data; etcd goes on
    stop
    exchange    the restored data take the place of the others, which are kept
    start       and waits until the member has a leader
    undo        after stop: puts the former data back
    tidy        removes what was prepared

With a new token the members are another cluster, and have other ids: who stayed behind is none of them. Their revisions go
on far above all that were: a program that watches hears that it has missed something, and reads everything anew.
"""

import glob
import os
import shutil
import subprocess
import sys
import time

# Above whatever the cluster has counted since the snapshot.
BUMP = 1_000_000_000


class Restore:
    """`order`: {"settings": the member's own, "snapshot": path, "token": of the new cluster, "patience": seconds}."""

    def __init__(self, order):
        with open(order["settings"], encoding="utf8") as file:
            self.member = json.load(file)
        self.order = order
        self.folder = self.member["data"]
        self.data = os.path.join(self.folder, "member")
        self.restored = os.path.join(self.folder, "restored")
        self.before = os.path.join(self.folder, f"before-{order['token']}")

    def prepare(self):
        self.tidy()
        name, members = self.member["name"], self.member["members"]
        cluster = ",".join(f"{each}={members[each]['peer']}" for each in sorted(members))
        try:
            run([
                *("etcdctl", "snapshot", "restore", self.order["snapshot"], f"--data-dir={self.restored}"),
                f"--name={name}",
                f"--initial-cluster={cluster}",
                f"--initial-cluster-token={self.order['token']}",
                f"--initial-advertise-peer-urls={members[name]['peer']}",
                *(f"--bump-revision={BUMP}", "--mark-compacted"),
            ])
        finally:
            os.unlink(self.order["snapshot"])
        owner = os.stat(self.folder)
        for path in [self.restored, *glob.glob(f"{glob.escape(self.restored)}/**", recursive=True)]:
            os.chown(path, owner.st_uid, owner.st_gid)

    def stop(self):
        run(["systemctl", "stop", "etcd.service"])

    def exchange(self):
        fresh = os.path.join(self.restored, "member")
        if not os.path.isdir(fresh):
            sys.exit("nothing was prepared")
        for former in glob.glob(f"{glob.escape(self.folder)}/before-*"):
            shutil.rmtree(former)
        os.makedirs(self.before, mode=0o700)
        if os.path.isdir(self.data):
            os.rename(self.data, os.path.join(self.before, "member"))
        os.rename(fresh, self.data)
        self.forget_identity()
        self.tidy()

    def undo(self):
        if os.path.isdir(self.before):
            shutil.rmtree(self.data, ignore_errors=True)
            if os.listdir(self.before):
                os.rename(os.path.join(self.before, "member"), self.data)
            os.rmdir(self.before)
            self.forget_identity()
        self.tidy()

    def forget_identity(self):
        """Its id follows from the token. Without one it knows itself by its name, and notes the new one when it votes."""
        if os.path.exists(self.member["identity"]):
            os.unlink(self.member["identity"])

    def tidy(self):
        shutil.rmtree(self.restored, ignore_errors=True)

    def start(self):
        # Not one after the other: none would be ready before there is a majority.
        run(["systemctl", "start", "--no-block", "etcd.service"])
        own = self.member["members"][self.member["name"]]["client"]
        etcd = Etcd({**self.member["tls"], "endpoints": [own]})
        deadline = time.monotonic() + self.order["patience"]
        while True:
            try:
                if etcd.status(own).get("leader", "0") != "0":
                    return
                problem = "it has no leader"
            except (EtcdRefused, OSError, ValueError) as error:
                problem = str(error)
            if time.monotonic() > deadline:
                sys.exit(f"etcd has not come back after {self.order['patience']} s: {problem}")
            time.sleep(0.2)


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        last = result.stderr.strip().splitlines()[-1:] or [f"it has ended with {result.returncode}"]
        sys.exit(f"{' '.join(command[:3])}: {last[0]}")


ORDER = json.loads(sys.argv[1])
getattr(Restore(ORDER), ORDER["phase"])()
