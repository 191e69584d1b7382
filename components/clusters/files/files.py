"""A node's files: what is there, what is to be there, and how to get back."""

import grp
import hashlib
import pwd
import stat
import tempfile

UNIT_FOLDERS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/lib/systemd/", "/usr/local/lib/systemd/")


def unit_of(file):
    return (file.get("unit") or {}).get("name")


class Files:
    """The files on disk, and how to get back to what was there."""

    def __init__(self, wanted, remembered):
        self.wanted = {each["path"]: each for each in wanted}
        self.stale = sorted(set(remembered) - set(self.wanted))
        self.changed = sorted(path for path, each in self.wanted.items() if self.differs(path, each))
        self.before = {}

    @staticmethod
    def digest(file):
        return hashlib.sha256("\0".join([file["content"], file["mode"], file["owner"]]).encode()).hexdigest()

    @staticmethod
    def ids(owner):
        user, _, group = owner.partition(":")
        try:
            return pwd.getpwnam(user).pw_uid, grp.getgrnam(group or user).gr_gid
        except KeyError:
            raise Failed(f"this machine has no user and group {owner}: its package or user data has to make them") from None

    def differs(self, path, file):
        try:
            state = os.lstat(path)
            if not stat.S_ISREG(state.st_mode) or stat.S_IMODE(state.st_mode) != int(file["mode"], 8):
                return True
            if (state.st_uid, state.st_gid) != self.ids(file["owner"]):
                return True
            with open(path, "rb") as current:
                return current.read() != file["content"].encode()
        except OSError:
            return True

    def put(self):
        """All drafts first, so that a full disk changes nothing; then one rename after the other."""
        drafts = {}
        try:
            for path in self.changed:
                drafts[path] = self.draft(path, self.wanted[path])
            for path in self.changed + self.stale:
                self.before[path] = self.current(path)
            for path in list(drafts):
                os.replace(drafts[path], path)
                del drafts[path]
        finally:
            for draft in drafts.values():
                os.unlink(draft)
        for path in self.stale:
            if os.path.lexists(path):
                os.unlink(path)

    def tell_systemd(self):
        if any(path.startswith(UNIT_FOLDERS) for path in self.changed + self.stale):
            systemctl("daemon-reload")

    def draft(self, path, file):
        owner = self.ids(file["owner"])
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        # The name begins with a dot: programs that read whole folders leave it alone.
        handle, draft = tempfile.mkstemp(prefix=".gatehouse-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(file["content"].encode())
                os.fchown(target.fileno(), *owner)
                os.fchmod(target.fileno(), int(file["mode"], 8))
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            os.unlink(draft)
            raise
        return draft

    @staticmethod
    def current(path):
        try:
            state = os.lstat(path)
            if not stat.S_ISREG(state.st_mode):
                return None
            with open(path, "rb") as file:
                return file.read(), stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid
        except OSError:
            return None

    def put_back(self):
        for path, before in self.before.items():
            if before is None:
                if os.path.lexists(path):
                    os.unlink(path)
                continue
            content, mode, user, group = before
            handle, draft = tempfile.mkstemp(prefix=".gatehouse-", dir=os.path.dirname(path))
            with os.fdopen(handle, "wb") as target:
                target.write(content)
                os.fchown(target.fileno(), user, group)
                os.fchmod(target.fileno(), mode)
            os.replace(draft, path)
