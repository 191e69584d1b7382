"""A drill's witness on one machine. It writes and asks there all the while, as programs of the lab's users do, and says
how each attempt went, one JSON object a line. It also asks the machine's agents what it is told to ask.

The first line of its input holds the tokens, each later line is an order. Its input's end is its own. Nothing of it is
in a command line but this text.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time

# Seconds. Consul holds a write back for up to seven while there is no leader.
WRITE_TIMEOUT = 10
ASK_TIMEOUT = 5

settings = json.loads(sys.stdin.readline())
speaking = threading.Lock()
authority = ssl.create_default_context(cafile=settings["nomad"]["ca"])


def say(**what):
    with speaking:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def connect(api, timeout):
    if api == "consul":
        return http.client.HTTPConnection("127.0.0.1", 8500, timeout=timeout)
    return http.client.HTTPSConnection("127.0.0.1", 4646, timeout=timeout, context=authority)


def ask(connection, api, method, path, body=None):
    token = {"consul": "X-Consul-Token", "nomad": "X-Nomad-Token"}[api]
    connection.request(method, path, body, {token: settings[api]["token"]})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def once(api, method, path, body=None):
    connection = connect(api, ASK_TIMEOUT)
    try:
        return ask(connection, api, method, path, body)
    finally:
        connection.close()


def reason(error):
    """In a word or two, and without what the agents answered: that could be anything."""
    return getattr(error, "strerror", None) or type(error).__name__


class Stream:
    """Attempts at a steady rate while there is a place to write to, however long each takes: who waits for one that
    hangs sees nothing of those that would not."""

    MOST = 60

    def __init__(self, kind, every, attempt):
        self.kind, self.every, self.attempt = kind, every, attempt
        self.free = threading.Semaphore(self.MOST)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        due = time.monotonic()
        while True:
            if place.is_set() and self.free.acquire(blocking=False):
                threading.Thread(target=self.once, daemon=True).start()
            due = max(due + self.every, time.monotonic())
            time.sleep(max(0, due - time.monotonic()))

    def once(self):
        begun = time.monotonic()
        noted = {}
        try:
            why = self.attempt(self.kind, noted)
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = reason(error)
        self.free.release()
        ms = round((time.monotonic() - begun) * 1000, 1)
        say(kind=self.kind, ms=ms, **({} if why is None else {"why": why}), **noted)


place = threading.Event()
prefix = ""
number = 0
counting = threading.Lock()
# Connections that nobody uses at the moment: a handshake for each write would be most of the work.
idle = {"consul": [], "nomad": []}


def write(api, noted):
    """One numbered key, whose value is its own name."""
    global number
    with counting:
        number += 1
        noted["key"] = key = f"{prefix}/{number}"
        connection = idle[api].pop() if idle[api] else connect(api, WRITE_TIMEOUT)
    try:
        if api == "consul":
            status, body = ask(connection, api, "PUT", f"/v1/kv/{key}", key)
            done = status == 200 and body.strip() == "true"
        else:
            value = json.dumps({"Path": key, "Items": {"value": key}})
            status, body = ask(connection, api, "PUT", f"/v1/var/{key}", value)
            # A client that is being shut down answers 200 and "null" to what it could not hand on to a server.
            done = status == 200 and written(body, key)
            if status == 200 and not done:
                status = "200 without the variable"
    except (OSError, http.client.HTTPException):
        connection.close()
        raise
    idle[api].append(connection)
    return None if done else f"status {status}"


def written(body, key):
    """Whether a server has answered: with the variable, and the index at which it is in the log."""
    variable = json.loads(body)
    return variable is not None and variable["Path"] == key and variable["ModifyIndex"] > 0


def visit(_kind, _noted):
    """A request by name, as a program on this machine makes it: resolver, balancer, instance."""
    connection = http.client.HTTPConnection(settings["host"], 80, timeout=ASK_TIMEOUT)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return None if answer.status == 200 else f"status {answer.status}"
    finally:
        connection.close()


def variables(under):
    status, body = once("nomad", "GET", f"/v1/vars?prefix={under}")
    if status != 200:
        raise OSError(f"the list of variables: status {status}")
    return [each["Path"] for each in json.loads(body)]


def read_variables(under):
    found = {}
    connection = connect("nomad", ASK_TIMEOUT)
    for path in variables(under):
        status, body = ask(connection, "nomad", "GET", f"/v1/var/{path}")
        # One that is gone is lost; one that could not be read is not.
        if status != 404:
            if status != 200:
                raise OSError(f"a variable: status {status}")
            found[path] = json.loads(body)["Items"].get("value")
    connection.close()
    return found


def forget_variables(under):
    connection = connect("nomad", ASK_TIMEOUT)
    paths = variables(under)
    for path in paths:
        ask(connection, "nomad", "DELETE", f"/v1/var/{path}")
    connection.close()
    return len(paths)


def obey(order):
    global prefix
    do = order["do"]
    if do == "ask":
        status, body = once(order["api"], order["method"], order["path"], order.get("body"))
        return {"status": status, "body": body}
    if do == "begin":
        prefix = order["prefix"]
        place.set()
    elif do == "end":
        place.clear()
    elif do == "read variables":
        return {"found": read_variables(order["prefix"])}
    elif do == "forget variables":
        return {"forgotten": forget_variables(order["prefix"])}
    return {}


def carry_out(order):
    try:
        say(id=order["id"], **obey(order))
    except (OSError, ValueError, http.client.HTTPException) as error:
        say(id=order["id"], error=str(error) or type(error).__name__)


Stream("consul", settings["every"]["consul"], write)
Stream("nomad", settings["every"]["nomad"], write)
Stream("http", settings["every"]["http"], visit)
# Should the orders' giver be gone without an end of the input.
threading.Timer(settings["seconds"], lambda: os._exit(1)).start()
say(kind="ready")
for line in sys.stdin:
    threading.Thread(target=carry_out, args=[json.loads(line)], daemon=True).start()
os._exit(0)
