"""The socket that `chatkeep serve` listens on: a port, or a unix socket (`--host unix:PATH`).

The file of a unix socket stays behind when a process is killed. One that no process listens on is replaced; one with a
process behind it is refused. At the end the process removes its own file, and no file that a later one has put there.
"""

import os
import socket
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from chatkeep.errors import CannotStart
from chatkeep.settings import Settings

UNREAD_TIMEOUT_SECONDS = 60
"""How long a client may read nothing before its connection is closed. It can connect again and resume its stream."""
UNIX_MODE = 0o660
"""Who may connect to a unix socket: the service's user and group, to which a proxy's user can be added."""


def unix_path(host: str) -> Path | None:
    """Return the path in `unix:PATH`; None for an address."""
    return Path(host.removeprefix("unix:")) if host.startswith("unix:") else None


def check_address(host: str, port: int) -> None:
    """Check that the service can listen there.

    Raises:
        CannotStart: it cannot, and why.
    """
    if path := unix_path(host):
        _check_unix(path)
        return
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        number = error.errno or 0  # negative: from the resolver, whose text ends with the address in parentheses
        reason = os.strerror(number) if number > 0 else str(error.strerror).partition(" (")[0]
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}") from error


def check_openness(settings: Settings, host: str) -> None:
    """Check that only this machine can reach a service without sign-in.

    Raises:
        CannotStart: others can, and `CHATKEEP_OPEN` does not say that they may.
    """
    if settings.has_sign_in or settings.open or unix_path(host) or _is_loopback(host):
        return
    raise CannotStart(
        f"on {host} others could read and change everything: set up sign-in (docs/sign-in.md),"
        " listen on 127.0.0.1, or say that it may be open to all who reach it: CHATKEEP_OPEN=yes"
    )


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None) if host else []
    except OSError:
        return True  # `check_address` says why
    return bool(found) and all(ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)


@contextmanager
def listening(config: uvicorn.Config) -> Generator[socket.socket]:
    """Bind the socket of `config.host` for the time of the block.

    Raises:
        CannotStart: another process was faster.
    """
    if path := unix_path(config.host):
        with _listening_on_unix(path) as bound:
            yield bound
        return
    bound = config.bind_socket()
    if sys.platform == "linux":  # inherited by each connection; a receive window that stays closed counts, too (tcp(7))
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_SECONDS * 1000)
    yield bound


def name_of(bound: socket.socket) -> str:
    """Return where a socket listens, as a person writes it."""
    address = bound.getsockname()
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _listening_on_unix(path: Path) -> Generator[socket.socket]:
    _check_unix(path)
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(UNIX_MODE)  # no client can connect before `listen`
    except OSError as error:
        bound.close()
        raise CannotStart(f"cannot listen on unix:{path}: {error.strerror or error}") from error
    bound.set_inheritable(True)  # for the processes of --workers and --reload
    own = _identity(path)
    try:
        yield bound
    finally:
        if _identity(path) == own:
            path.unlink()


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return by which a file is known from one that takes its place; None if there is no file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns  # the number of a removed file is given again


def _check_unix(path: Path) -> None:
    if not hasattr(socket, "AF_UNIX"):
        raise CannotStart("this system has no unix sockets")
    if not path.parent.is_dir():
        raise CannotStart(f"cannot listen on unix:{path}: there is no such folder")
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotStart(f"cannot listen on unix:{path}: a file that is no socket is there")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return  # nothing is there, or no process listens
    except OSError as error:
        raise CannotStart(f"cannot listen on unix:{path}: {error.strerror or error}") from error
    raise CannotStart(f"cannot listen on unix:{path}: Address already in use")
