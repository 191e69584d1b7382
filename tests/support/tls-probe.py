"""Connects to a port, with TLS or without, with a certificate or without, says something and tells what was answered.

Argument: JSON list of probes {host, port, first, tls, certificate, key, say}: bytes are hexadecimal. Prints for each
whether the connection was taken, and the answer: empty when the other side has ended it or refused.
"""

import json
import socket
import ssl
import sys


def probe(host, port, first="", tls=True, certificate=None, key=None, say=""):
    result = {"connected": False, "answer": "", "error": ""}
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            result["connected"] = True
            connection.sendall(bytes.fromhex(first))
            if tls:
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                if certificate:
                    context.load_cert_chain(certificate, key)
                connection = context.wrap_socket(connection)
            connection.sendall(bytes.fromhex(say))
            # With TLS 1.3 the caller's certificate is looked at after the handshake.
            result["answer"] = connection.recv(1000).hex()
    except OSError as error:
        result["error"] = str(error)
    return result


print(json.dumps([probe(**each) for each in json.loads(sys.argv[1])]))
