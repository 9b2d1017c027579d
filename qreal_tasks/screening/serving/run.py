"""Running a reward server until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from qreal_tasks.screening.serving.app import RewardServer
from qreal_tasks.screening.serving.gate import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from types import FrameType


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a server at this address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "gpu7")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_HOSTS


def open_socket(host: str, port: int) -> socket.socket:
    """A socket at that address, 0 for any free port; before the model is loaded, since that takes minutes.

    Raises:
        OSError: the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise OSError(
            error.errno, f"{host} port {port} cannot be used ({error.strerror or error}); give another --port or --host"
        ) from None
    return opened


class AnnouncedServer(uvicorn.Server):
    """uvicorn with the settings of a reward server, which says when it takes requests.

    Args:
        server: whose application runs.
        on_start: called once it listens.
        finish_s: for which requests that are under way may go on when it is told to stop.
    """

    def __init__(self, server: RewardServer, on_start: Callable[[], None], finish_s: int = 60) -> None:
        config = uvicorn.Config(
            server.app,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=finish_s,
            timeout_keep_alive=30,
            ws="none",
            lifespan="off",
        )
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._on_start()


def serve(server: RewardServer, opened: socket.socket, on_start: Callable[[], None]) -> bool:
    """Answer requests until SIGINT or SIGTERM; then take no more, end those under way and judge what waits.

    Returns:
        Whether all that waited for the model had its answer.
    """
    running = AnnouncedServer(server, on_start)
    # uvicorn ends gracefully at these signals, and then hands them to who had them before: to nobody, so that an end
    # that was asked for is the status 0.
    before = {one: signal.signal(one, _ignore) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        running.run(sockets=[opened])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        ended = server.close()
    return ended and running.started and not server.cut_off


def _ignore(number: int, frame: FrameType | None) -> None:
    """A signal that was dealt with."""
