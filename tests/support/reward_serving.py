"""A reward server within a test's own process, or in one of its own: ``python reward_serving.py PORT``."""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2
from brightness_engine import BrightnessEngine
from PIL import Image

from qreal_tasks.screening.calibration.record import Calibration
from qreal_tasks.screening.reward.reward import QRealReward
from qreal_tasks.screening.serving.app import RewardServer
from qreal_tasks.screening.serving.limits import ServeLimits
from qreal_tasks.screening.serving.run import AnnouncedServer, open_socket, serve

TOKEN = "t0ken-of-the-reward-server-42"
SMALL = ServeLimits(body_bytes=20_000, images=4, image_pixels=1000, queued_images=4, memory_bytes=50_000, upload_s=0.6)
"""Limits that a test can reach."""


class Served(NamedTuple):
    """A server that is running."""

    url: str
    server: RewardServer
    reward: QRealReward

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """A connection for what no HTTP client sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def served(
    engine: BrightnessEngine | None = None,
    cached: int = 4096,
    finish_s: int = 30,
    calibration: Calibration | None = None,
    **options: Any,
) -> Iterator[Served]:
    """A server with the options of ``RewardServer`` at a free port."""
    reward = QRealReward(engine or BrightnessEngine(), cached=cached, calibration=calibration)
    server = RewardServer(reward, name="brightness", **options)
    listening = threading.Event()
    running = AnnouncedServer(server, listening.set, finish_s)
    with open_socket("127.0.0.1", 0) as opened:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            assert listening.wait(30)
            yield Served(f"http://127.0.0.1:{opened.getsockname()[1]}", server, reward)
        finally:
            running.should_exit = True
            thread.join(40)
            assert not thread.is_alive()
            assert server.close()


def png(picture: Any) -> bytes:
    """A picture, or an array, as a file."""
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, "PNG")
    return out.getvalue()


def form(pictures: Iterable[Any]) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Pictures as httpx takes the files of a form."""
    return [
        ("images", (f"{at}.png", one if isinstance(one, bytes) else png(one), "image/png"))
        for at, one in enumerate(pictures)
    ]


def post(to: Served, pictures: Iterable[Any], **options: Any) -> httpx2.Response:
    """Ask for the rewards of pictures, without a client of ours."""
    return httpx2.post(f"{to.url}/score", files=form(pictures), timeout=30, **options)


def error_of(reply: httpx2.Response) -> tuple[int, str]:
    """Status and reason of a refusal."""
    return reply.status_code, reply.json()["error"]


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Look until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


if __name__ == "__main__":
    application = RewardServer(QRealReward(BrightnessEngine(request_s=0.01)), name="brightness")
    with open_socket("127.0.0.1", int(sys.argv[1])) as own:
        number = own.getsockname()[1]
        sys.exit(0 if serve(application, own, lambda: print(number, flush=True)) else 3)
