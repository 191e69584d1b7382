"""etcd's API as this machine's scripts use it: JSON over HTTPS (etcd's own gRPC gateway), with the machine's certificate and
a user's token. Keys and values are texts.

`settings`: {"endpoints": [...], "ca": path, "certificate": path, "key": path, "user": name}, the password apart.
"""

import base64
import http.client
import json
import ssl
import urllib.parse

# Seconds for one answer.
ETCD_TIMEOUT = 5

# What says that a token is not known any more: members forget theirs when they start anew.
INVALID_TOKEN = ("invalid auth token", "revision of auth store is old")

# What says that this member has done nothing, and another may.
ELSEWHERE = ("no leader", "rpc not supported for learner", "server stopped")


class EtcdRefused(Exception):
    """An answer of etcd's that is not a success. `status`: HTTP's; from 500 on it is about the cluster's state."""

    def __init__(self, what, text, status):
        super().__init__(f"etcd: {what}: {text}")
        self.text = text
        self.status = status


def b64(text):
    return base64.b64encode(text.encode()).decode()


def plain(text):
    return base64.b64decode(text or "").decode(errors="replace")


def after_prefix(prefix):
    """The first key behind all that begin with the prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def reason(said):
    """Why etcd refuses; what is in front of its gateway says it in plain words."""
    try:
        found = json.loads(said)
        return found.get("error") or found.get("message")
    except ValueError:
        return said.strip()[:300]


class Etcd:
    """A connection for each endpoint; a question goes to the first that answers, beginning with the one that did last."""

    def __init__(self, settings, password=None):
        self.settings = settings
        self.endpoints = list(settings["endpoints"])
        self.user, self.password = settings.get("user"), password
        self.token = None
        self.connections = {}

    def like(self, user, password):
        """The same for another user."""
        return Etcd({**self.settings, "user": user}, password)

    # --- questions

    def ask(self, path, body=None, endpoint=None, timeout=ETCD_TIMEOUT):
        """The answer's JSON. `endpoint`: nobody else is asked."""
        if self.password is not None and self.token is None:
            self.authenticate(endpoint, timeout)
        try:
            return self.ask_once(path, body, endpoint, timeout)
        except EtcdRefused as error:
            # Without a token: authentication may just have been turned on.
            known = self.token is not None and not any(each in error.text for each in INVALID_TOKEN)
            if self.password is None or known:
                raise
            self.authenticate(endpoint, timeout)
            return self.ask_once(path, body, endpoint, timeout)

    def authenticate(self, endpoint=None, timeout=ETCD_TIMEOUT):
        self.token = None
        try:
            said = self.ask_once(
                "/v3/auth/authenticate", {"name": self.user, "password": self.password}, endpoint, timeout
            )
            self.token = said["token"]
        except EtcdRefused as error:
            # A new cluster has no users before it has been given them.
            if "authentication is not enabled" not in error.text:
                raise

    def ask_once(self, path, body, endpoint, timeout):
        problem = None
        for each in [endpoint] if endpoint else list(self.endpoints):
            try:
                answer = self.answer(each, path, body, timeout)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = OSError(f"{each}: {error}")
                continue
            except EtcdRefused as error:
                if not any(text in error.text for text in ELSEWHERE):
                    raise
                problem = error
                continue
            if endpoint is None and each != self.endpoints[0]:
                self.endpoints.remove(each)
                self.endpoints.insert(0, each)
            return answer
        raise problem

    def answer(self, endpoint, path, body, timeout):
        text = json.dumps(body or {})
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = self.token
        for fresh in (False, True):
            connection = None if fresh else self.connections.pop(endpoint, None)
            if connection is None:
                fresh = True
                connection = self.connect(endpoint, timeout)
            try:
                connection.timeout = timeout
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                connection.request("POST", path, text, headers)
                response = connection.getresponse()
                said = response.read().decode(errors="replace")
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                # One that was kept may have been closed by the other side meanwhile.
                if fresh:
                    raise
        self.connections[endpoint] = connection
        if response.status != 200:
            raise EtcdRefused(path, reason(said) or f"status {response.status}", response.status)
        found = json.loads(said) if said.strip() else {}
        return found

    def connect(self, endpoint, timeout):
        url = urllib.parse.urlsplit(endpoint)
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=self.tls())
        return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)

    def tls(self):
        """Read anew for each connection: certificates are renewed while programs run."""
        context = ssl.create_default_context(cafile=self.settings["ca"])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.settings["certificate"], self.settings["key"])
        return context

    # --- keys

    def get(self, key):
        """A key's value and the revision of its last change; (None, 0) without the key."""
        found = self.ask("/v3/kv/range", {"key": b64(key)}).get("kvs")
        return (plain(found[0].get("value")), int(found[0]["mod_revision"])) if found else (None, 0)

    def under(self, prefix):
        """Keys that begin with the prefix: key → value and revision of the last change."""
        found = self.ask("/v3/kv/range", {"key": b64(prefix), "range_end": b64(after_prefix(prefix))}).get("kvs") or []
        return {plain(each["key"]): (plain(each.get("value")), int(each["mod_revision"])) for each in found}

    def put(self, key, value, lease=None):
        self.ask("/v3/kv/put", {"key": b64(key), "value": b64(value), **({"lease": str(lease)} if lease else {})})

    def put_if(self, key, value, revision):
        """Whether it was written: only while the key's last change is this revision; 0: while there is no key."""
        return self.if_unchanged(key, revision, {"request_put": {"key": b64(key), "value": b64(value)}})

    def delete_if(self, key, revision):
        return self.if_unchanged(key, revision, {"request_delete_range": {"key": b64(key)}})

    def delete(self, key):
        self.ask("/v3/kv/deleterange", {"key": b64(key)})

    def if_unchanged(self, key, revision, then):
        compare = {"key": b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
        return bool(self.ask("/v3/kv/txn", {"compare": [compare], "success": [then]}).get("succeeded"))

    # --- members

    def members(self, endpoint=None):
        """The members as the cluster agrees on them: {"ID", "name", "peerURLs", "clientURLs", "isLearner"}; one that has
        not started yet has no name. `endpoint`: as that member knows them, even without a majority."""
        body = {"linearizable": endpoint is None}
        return self.ask("/v3/cluster/member/list", body, endpoint).get("members") or []

    def agreed_members(self, timeout):
        """The members as a majority knows them."""
        return self.ask("/v3/cluster/member/list", {"linearizable": True}, timeout=timeout).get("members") or []

    def status(self, endpoint):
        """What one member says of itself: `header.member_id`, `leader`, `raftIndex`, `isLearner`, `errors`, `dbSize`.
        That takes no user, and a learner can tell no user."""
        return self.ask_once("/v3/maintenance/status", {}, endpoint, timeout=2)

    def add_learner(self, peer_url):
        said = self.ask("/v3/cluster/member/add", {"peerURLs": [peer_url], "isLearner": True})
        return said["member"]["ID"]

    def promote(self, member):
        self.ask("/v3/cluster/member/promote", {"ID": member})

    def remove(self, member):
        self.ask("/v3/cluster/member/remove", {"ID": member})

    def move_leader(self, endpoint, target):
        """`endpoint`: the leader's own; nobody else takes the order."""
        self.ask("/v3/maintenance/transfer-leadership", {"targetID": target}, endpoint)
