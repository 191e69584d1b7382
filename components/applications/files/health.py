"""An application's own word on whether it is well."""

import http.client
import socket
import threading
import time
import urllib.parse


class Health:
    """Asks the application all the time, beside the lease: one that hangs must not keep the lease from being renewed."""

    def __init__(self, url, check, changed):
        self.url = urllib.parse.urlsplit(url)
        self.check, self.changed = check, changed
        self.well = False
        self.problem = None

    def start(self):
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        row = 0
        while True:
            problem = self.ask()
            if problem != self.problem:
                self.problem = problem
                self.changed.set()
            # Answers in a row that say something else than the verdict.
            row = row + 1 if (problem is None) != self.well else 0
            if row >= self.check["fall" if self.well else "rise"]:
                self.well, row = not self.well, 0
                self.changed.set()
            # Soon again while in doubt.
            time.sleep(self.check["interval"] / (1 if self.well and row == 0 else 4))

    def ask(self):
        """What is wrong, if anything."""
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=self.check["timeout"])
        try:
            connection.request("GET", self.url.path or "/", headers={"User-Agent": "etcd-registration"})
            status = connection.getresponse().status
            return None if 200 <= status < 300 else f"status {status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()

    def listens(self):
        try:
            address = (self.url.hostname, self.url.port)
            socket.create_connection(address, timeout=self.check["timeout"]).close()
            return True
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
