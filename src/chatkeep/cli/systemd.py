"""Tells systemd how the service is: ready, alive, stopping. Without systemd, nothing is sent.

systemd listens on a datagram socket, `NOTIFY_SOCKET`; with a watchdog it kills a service that has sent no `WATCHDOG=1`
for `WATCHDOG_USEC` microseconds (systemd, sd_notify(3) and sd_watchdog_enabled(3)). The event loop itself sends them:
if it stands still, requests do too.
"""

import asyncio
import logging
import os
import socket
from contextlib import suppress

_log = logging.getLogger("chatkeep")


def notify(state: str) -> None:
    """Send `state` (`READY=1`, `STOPPING=1`, `WATCHDOG=1`) to systemd, if it has started this process."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        _log.warning("systemd cannot be told %s: %s", state, error)


def watchdog_seconds() -> float | None:
    """Return for how long systemd waits for a sign of life of this process; None if it does not wait for one."""
    with suppress(ValueError):
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid():
            return int(os.environ.get("WATCHDOG_USEC", "")) / 1_000_000
    return None


async def keep_alive() -> None:
    """Send signs of life, twice as often as systemd waits for them, until cancelled."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)
