"""Polls an API on this machine until a check finds nothing missing; says what is missing when time is up."""

import json
import os
import sys
import time
import urllib.error
import urllib.request


class Api:
    """The HTTP API of the local agent."""

    def __init__(self, base, headers=None):
        self.base = base
        self.headers = headers or {}

    def get(self, path):
        request = urllib.request.Request(self.base + path, headers=self.headers)
        # No proxy of the environment's: the agent is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as response:
            return json.load(response)


def poll(what, seconds, check):
    """Calls check() until it returns an empty list of complaints."""
    start = time.monotonic()
    while True:
        try:
            missing = check()
        except urllib.error.HTTPError as error:
            missing = [f"{error.url} answers {error.code}: {error.read().decode(errors='replace').strip()[:200]}"]
        except (OSError, ValueError, KeyError) as error:
            missing = [f"{what} does not answer: {error}"]
        waited = time.monotonic() - start
        if not missing:
            print(json.dumps({"seconds": round(waited, 1)}))
            return
        if waited > seconds:
            print(f"{what} is not complete after {seconds} s:", file=sys.stderr)
            for complaint in missing:
                print(f"    {complaint}", file=sys.stderr)
            sys.exit(1)
        time.sleep(0.1)
