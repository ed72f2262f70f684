"""A script that is a small MQTT 3.1.1 broker for machines without Mosquitto: `amqtt_broker.py PORT`, on loopback only.

Runs in a process of its own, so that amqtt and what it brings stay out of the door's; ends when its standard input
does, and so never outlives the process that started it. No MQTT 5, and keeps nothing: for the demonstration alone.
"""

from __future__ import annotations

import asyncio
import logging
import sys


async def serve(port: int) -> None:
    """Be a broker on 127.0.0.1 until standard input ends."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.to_thread(sys.stdin.read)
    await broker.shutdown()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(serve(int(sys.argv[1])))
