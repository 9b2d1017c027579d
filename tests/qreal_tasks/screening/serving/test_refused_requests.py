"""What a reward server does not take, and clients that are slow, break off or leave."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from brightness_engine import BrightnessEngine, noise
from reward_serving import SMALL, Served, error_of, form, png, post, served, wait_until

from qreal_tasks.screening.reward.client import RemoteReward, RewardServerError
from qreal_tasks.screening.reward.reward import QRealReward

PICTURES = noise(6)


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    with served(limits=SMALL) as one:
        yield one


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "too many images": ({"files": form(PICTURES[:5])}, 413, "5 images, expected at most 4 in a request"),
    "far too many images": ({"files": form([PICTURES[0]] * 9)}, 413, "too many images, expected at most 4"),
    "too many pixels": ({"files": form(noise(1, size=(40, 26)))}, 413, "image 1 has more than 1,000 pixels"),
    "a large body": ({"content": b"x" * 20_001}, 413, "the body has more than 20,000 bytes"),
    "a large body of unknown length": (
        {"content": iter([b"x" * 9_000] * 5), "headers": {"content-type": "application/json"}},
        413,
        "the body has more than 20,000 bytes",
    ),
    "no picture": ({"files": form([b"GIF89a is not taken"])}, 422, "image 1: 19 bytes that begin with b'GIF89a i'"),
    "an empty file": ({"files": form([PICTURES[0], b""])}, 422, "image 2: no bytes at all, expected PNG, JPEG, WEBP"),
    "a picture that was cut off": ({"files": form([png(PICTURES[0])[:200]])}, 422, "image 1: damaged"),
    "no images": ({"json": {"images": []}}, 422, "no images, expected a multipart form with files"),
    "another field": ({"files": [("image", ("a.png", png(PICTURES[0])))]}, 422, "no images"),
    "JSON of another kind": ({"json": {"pictures": []}}, 422, "images: Field required"),
    "no JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "the body is no JSON"),
    "deep JSON": (
        {"content": b"[" * 19_000, "headers": {"content-type": "application/json"}},
        400,
        "the body is no JSON",
    ),
    "no base64": ({"json": {"images": ["!!"]}}, 422, "image 1 is not base64: '!!'"),
    "maps of another kind": (
        {"json": {"images": ["AAAA"], "maps": "jpeg"}},
        422,
        "maps: Input should be 'png' or 'list'",
    ),
    "pickle": (
        {"content": b"\x80\x04N.", "headers": {"content-type": "application/octet-stream"}},
        415,
        "content type 'application/octet-stream', expected a multipart form",
    ),
    "a form without its end": (
        {
            "content": b'--B\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
            + png(PICTURES[0]),
            "headers": {"content-type": "multipart/form-data; boundary=B"},
        },
        400,
        "the upload was cut off; send it again",
    ),
    "a form without a boundary": (
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        400,
        "no form: Missing boundary",
    ),
    "another site's page": (
        {"files": form(PICTURES[:1]), "headers": {"origin": "http://evil.example"}},
        403,
        "another site",
    ),
    "another name of this machine": ({"files": form(PICTURES[:1]), "headers": {"host": "evil.example"}}, 403, "--host"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_taken_is_refused_with_a_reason_and_others_go_on(small: Served, name: str) -> None:
    options, status, expected = REFUSED[name]
    found = error_of(httpx2.post(f"{small.url}/score", timeout=30, **options))
    assert found[0] == status, found
    assert expected in found[1]
    assert post(small, PICTURES[:1]).status_code == 200
    assert small.server._budget.held == 0


def test_a_full_queue_answers_429_and_the_client_comes_again() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    with served(engine, limits=SMALL, batch=1) as one, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(post, one, PICTURES[at : at + 1]) for at in range(5)]
        wait_until(lambda: len(one.server.queue) == 4)
        reply = post(one, PICTURES[5:])
        assert error_of(reply) == (429, "4 images wait already; try again later")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
        with RemoteReward(one.url, patience_s=0.1) as hasty, pytest.raises(RewardServerError, match="answers 429"):
            hasty(PICTURES[5:])
        with RemoteReward(one.url) as patient:
            later = pool.submit(patient, PICTURES[5:])
            time.sleep(0.1)
            engine.may_answer.set()
            assert later.result() == QRealReward(BrightnessEngine())(PICTURES[5:])
        assert [each.result().status_code for each in waiting] == [200] * 5


def test_a_server_with_tighter_limits_gets_smaller_requests() -> None:
    with served(limits=SMALL) as one, RemoteReward(one.url) as remote:
        assert remote(noise(21)) == QRealReward(BrightnessEngine())(noise(21))
        with pytest.raises(RewardServerError, match=r"answers 413: image 1 has more than 1,000 pixels"):
            remote(noise(1, size=(40, 26)))


def test_uploads_that_together_are_too_large_wait_outside(small: Served) -> None:
    """Each may be sent alone; the third is refused while two are under way."""
    halves = [_begin_upload(small, 19_000) for _ in range(2)]
    for one in halves:
        one.sendall(b"x" * 18_900)
    wait_until(lambda: small.server._budget.held > 37_000)
    status, reason = error_of(httpx2.post(f"{small.url}/score", content=b"x" * 19_000))
    assert (status, reason[:40]) == (429, "the server holds as many images of other")
    for one in halves:
        one.close()
    wait_until(lambda: small.server._budget.held == 0)


def _begin_upload(to: Served, length: int) -> socket.socket:
    one = to.connect()
    head = (
        f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    one.sendall(head.encode())
    return one


@pytest.mark.slow
def test_slow_clients_hold_up_nobody_and_are_sent_away() -> None:
    with served(limits=replace(SMALL, upload_s=4)) as one:
        assert post(one, PICTURES[2:4]).status_code == 200  # the first imports SciPy
        silent = [one.connect() for _ in range(100)]
        slow = [_begin_upload(one, 500) for _ in range(20)]
        for each in slow:
            each.sendall(b"{")
        assert post(one, PICTURES[:2]).status_code == 200
        assert select.select(slow, [], [], 0)[0] == [], "answered before the slow ones were given up"
        for each in slow:
            assert b"408" in each.recv(4096).split(b"\r\n")[0]
        for each in (*slow, *silent):
            each.close()


def test_an_upload_that_breaks_off_is_forgotten(small: Served) -> None:
    for _ in range(5):
        one = _begin_upload(small, 15_000)
        one.sendall(b"x" * 9_000)
        wait_until(lambda: small.server._budget.held >= 9_000)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as of a killed process
        one.close()
        wait_until(lambda: small.server._budget.held == 0)
    assert post(small, PICTURES[:2]).status_code == 200


@pytest.mark.slow
def test_what_a_client_that_left_asked_for_is_not_judged() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    with served(engine, batch=1) as one, ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, one, PICTURES[:1])
        wait_until(lambda: bool(engine.threads))
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{one.url}/score", files=form(PICTURES[1:4]), timeout=0.3)
        time.sleep(1.5)  # it looks once a second
        engine.may_answer.set()
        assert first.result().status_code == 200
        assert post(one, PICTURES[4:5]).status_code == 200
    assert sum(engine.batches) == 2
