"""Calls ports, all at once, and says how each answers: open, refused, or silent, as behind a firewall that drops.

The targets are the first argument, as JSON: [[protocol, address, port], ...]; the answers go to standard output.
"""

import asyncio
import json
import sys

PATIENCE = 5
# Seconds until a datagram that nobody has answered is sent again: it may have been lost where there is no firewall, too.
AGAIN = 1
# What agents of Serf (Consul's and Nomad's gossip) answer, whoever they are: a ping, as MessagePack.
PING = b"\x00\x82\xa5SeqNo\x01\xa4Node\xa0"
# What name servers answer: a question for the root of Consul's zone.
QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06consul\x00\x00\x06\x00\x01"
NAME_SERVERS = (53, 8600)


async def tcp(address, port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
    except (asyncio.TimeoutError, TimeoutError):
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    writer.close()
    return "open"


class Udp(asyncio.DatagramProtocol):
    def __init__(self, port):
        self.words = QUESTION if port in NAME_SERVERS else PING
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.say("open")

    def error_received(self, error):
        self.say("refused" if isinstance(error, ConnectionRefusedError) else str(error))

    def say(self, answer):
        if not self.answer.done():
            self.answer.set_result(answer)


async def udp(address, port):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Udp(port), remote_addr=(address, port)
    )
    try:
        for _ in range(PATIENCE // AGAIN):
            transport.sendto(protocol.words)
            await asyncio.wait([protocol.answer], timeout=AGAIN)
            if protocol.answer.done():
                return protocol.answer.result()
        return "silent"
    finally:
        transport.close()


async def main():
    targets = json.loads(sys.argv[1])
    calls = [{"tcp": tcp, "udp": udp}[protocol](address, port) for protocol, address, port in targets]
    print(json.dumps(await asyncio.gather(*calls)))


asyncio.run(main())
