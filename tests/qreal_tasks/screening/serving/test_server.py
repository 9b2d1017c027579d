"""The reward server: equal to the reward in this process, what it refuses, and clients that behave badly."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import reward_serving
from brightness_engine import BrightnessEngine, noise, silent_picture
from PIL import Image
from reward_serving import TOKEN, Served, form, png, served

from qreal_tasks.screening.client import RemoteReward, RewardServerError
from qreal_tasks.screening.reward import QRealReward
from qreal_tasks.screening.serving.limits import ServeLimits

PICTURES = noise(6)
SMALL = ServeLimits(body_bytes=20_000, images=4, image_pixels=1000, queued_images=4, memory_bytes=50_000, upload_s=0.6)


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served() as one:
        yield one


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    with served(limits=SMALL) as one:
        yield one


def _post(to: Served, pictures: Any, **options: Any) -> httpx2.Response:
    return httpx2.post(f"{to.url}/score", files=form(pictures), timeout=30, **options)


def _error(reply: httpx2.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


@pytest.mark.slow
def test_the_client_returns_what_the_reward_of_this_process_returns(running: Served) -> None:
    import torch

    given = torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 255
    own = QRealReward(BrightnessEngine())(given, maps=True)
    with RemoteReward(running.url) as remote:
        for form_of, name in ((given, "tensor"), (PICTURES, "array"), ([Image.fromarray(p) for p in PICTURES], "PIL")):
            found = remote(form_of, ["a dog"] * 6, maps=True)
            assert found == own, name
            for one, expected in zip(found, own, strict=True):
                assert one.map is not None
                assert expected.map is not None
                assert np.abs(one.map - expected.map).max() <= 1e-6
        assert (remote.counts.images, remote.counts.unanswered) == (18, 0)


def test_no_answer_is_none_on_the_way_too(running: Served) -> None:
    with RemoteReward(running.url) as remote:
        silent, told = remote([silent_picture(), PICTURES[0]], maps=True)
        assert (silent.reward, silent.map, remote.counts.unanswered) == (None, None, 1)
        assert told.reward is not None


def test_json_and_a_form_are_the_same_and_maps_come_as_asked(running: Served) -> None:
    files = [png(one) for one in PICTURES[:2]]
    asked = {"images": [base64.b64encode(one).decode() for one in files]}
    plain = httpx2.post(f"{running.url}/score", json=asked).json()
    assert plain == _post(running, files).json()
    assert plain["model"] == "brightness"
    assert "map" not in plain["rewards"][0]
    lists = httpx2.post(f"{running.url}/score", json={**asked, "maps": "list"}).json()["rewards"]
    pngs = _post(running, files, data={"maps": "png"}).json()["rewards"]
    own = QRealReward(BrightnessEngine())(PICTURES[:2], maps=True)
    for listed, drawn, expected in zip(lists, pngs, own, strict=True):
        assert expected.map is not None
        assert np.abs(np.array(listed["map"], np.float32) - expected.map).max() <= 1e-6
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn["map"]))))
        assert np.abs(pixels / 255 - expected.map).max() <= 0.5 / 255 + 1e-6


@pytest.mark.slow
def test_64_clients_at_once_get_each_their_own_and_share_batches() -> None:
    pictures = noise(128, seed=7)
    own = QRealReward(BrightnessEngine())(pictures)
    engine = BrightnessEngine(run_s=0.02)
    with served(engine) as one, ThreadPoolExecutor(64) as pool:

        def ask(at: int) -> list[Any]:
            with RemoteReward(one.url) as remote:
                return remote(pictures[2 * at : 2 * at + 2])

        found = [reward for answer in pool.map(ask, range(64)) for reward in answer]
    assert found == own
    assert len(engine.threads) == 1, "one thread owns the model"
    assert sum(engine.batches) == 128
    assert max(engine.batches) == 16
    assert len(engine.batches) <= 32, "requests share batches"


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
    found = _error(httpx2.post(f"{small.url}/score", timeout=30, **options))
    assert found[0] == status, found
    assert expected in found[1]
    assert _post(small, PICTURES[:1]).status_code == 200
    assert small.server._budget.held == 0


def test_a_full_queue_answers_429_and_the_client_comes_again() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    with served(engine, limits=SMALL, batch=1) as one, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(_post, one, PICTURES[at : at + 1]) for at in range(5)]
        _until(lambda: len(one.server.queue) == 4)
        reply = _post(one, PICTURES[5:])
        assert _error(reply) == (429, "4 images wait already; try again later")
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


def test_what_had_no_answer_when_the_server_had_to_end_is_counted() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    threading.Timer(2.5, engine.may_answer.set).start()
    with ThreadPoolExecutor(1) as pool, served(engine, finish_s=1) as one:
        lost = pool.submit(_post, one, PICTURES[:1])
        _until(lambda: bool(engine.threads))
    assert one.server.cut_off == 1
    assert _error(lost.result()) == (503, "the server had to end before the model answered; ask again")


def test_uploads_that_together_are_too_large_wait_outside(small: Served) -> None:
    """Each may be sent alone; the third is refused while two are under way."""
    halves = [_begin_upload(small, 19_000) for _ in range(2)]
    for one in halves:
        one.sendall(b"x" * 18_900)
    _until(lambda: small.server._budget.held > 37_000)
    status, reason = _error(httpx2.post(f"{small.url}/score", content=b"x" * 19_000))
    assert (status, reason[:40]) == (429, "the server holds as many images of other")
    for one in halves:
        one.close()
    _until(lambda: small.server._budget.held == 0)


def _begin_upload(to: Served, length: int) -> socket.socket:
    one = to.connect()
    head = (
        f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    one.sendall(head.encode())
    return one


def test_slow_clients_hold_up_nobody_and_are_sent_away(small: Served) -> None:
    slow = [_begin_upload(small, 500) for _ in range(20)]
    for one in slow:
        one.sendall(b"{")
    start = time.monotonic()
    assert _post(small, PICTURES[:2]).status_code == 200
    assert time.monotonic() - start < 0.5, "sooner than the slow ones are given up"
    for one in slow:
        assert b"408" in one.recv(4096).split(b"\r\n")[0]
        one.close()


def test_an_upload_that_breaks_off_is_forgotten(small: Served) -> None:
    for _ in range(5):
        one = _begin_upload(small, 15_000)
        one.sendall(b"x" * 9_000)
        _until(lambda: small.server._budget.held >= 9_000)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as of a killed process
        one.close()
        _until(lambda: small.server._budget.held == 0)
    assert _post(small, PICTURES[:2]).status_code == 200


@pytest.mark.slow
def test_what_a_client_that_left_asked_for_is_not_judged() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    with served(engine, batch=1) as one, ThreadPoolExecutor(2) as pool:
        first = pool.submit(_post, one, PICTURES[:1])
        _until(lambda: bool(engine.threads))
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{one.url}/score", files=form(PICTURES[1:4]), timeout=0.3)
        time.sleep(1.5)  # it looks once a second
        engine.may_answer.set()
        assert first.result().status_code == 200
        assert _post(one, PICTURES[4:5]).status_code == 200
    assert sum(engine.batches) == 2


def test_a_model_that_fails_is_told_and_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    engine = BrightnessEngine()
    with served(engine) as one, RemoteReward(one.url) as remote:
        engine.failure = RuntimeError("out of memory; key sk-abcdefgh1234")
        with pytest.raises(
            RewardServerError, match=r"answers 500: the model failed: RuntimeError: out of memory; key <key>"
        ):
            remote(PICTURES)
        engine.failure = None
        assert remote(PICTURES) == QRealReward(BrightnessEngine())(PICTURES)
    assert "a batch of" in caplog.text


def test_with_a_token_nobody_else_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    with served(token=TOKEN) as one:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": TOKEN},
        ):
            for reply in (
                httpx2.post(f"{one.url}/score", files=form(PICTURES), headers=headers),
                httpx2.get(f"{one.url}/metrics", headers=headers),
            ):
                assert reply.status_code == 401
                assert reply.headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in reply.text
        assert httpx2.get(f"{one.url}/healthz").json() == {"status": "ok", "waiting": 0}
        page = httpx2.get(one.url).text
        assert 'id="token"' in page
        assert TOKEN not in page
        with RemoteReward(one.url, TOKEN) as remote:
            assert remote(PICTURES[:1])[0].reward is not None
        with RemoteReward(one.url, "wr0ng-token-of-a-client") as remote:
            with pytest.raises(RewardServerError, match="answers 401: a wrong token") as error:
                remote(PICTURES[:1])
            assert "wr0ng" not in str(error.value)
        answer = httpx2.get(f"{one.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert 'qreal_requests_total{path="/score",status="401"} 5.0' in answer.text
    assert TOKEN not in caplog.text


def test_the_token_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_SERVE_TOKEN", TOKEN)
    with served(token=TOKEN) as one, RemoteReward(one.url) as remote:
        assert remote(PICTURES[:1])[0].reward is not None


def test_metrics_count_what_happened() -> None:
    with served(wait_s=0.2) as one:
        for _ in range(2):
            assert _post(one, [*PICTURES[:3], silent_picture()]).status_code == 200
        assert httpx2.get(f"{one.url}/nowhere").status_code == 404
        reply = httpx2.get(f"{one.url}/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    found = dict(re.findall(r"^(qreal\S+) (\S+)$", reply.text, re.MULTILINE))
    assert {name: float(value) for name, value in found.items() if "bucket" not in name and "created" not in name} == {
        "qreal_images_total": 8,
        "qreal_images_unanswered_total": 2,
        "qreal_images_cached_total": 3,
        'qreal_requests_total{path="/score",status="200"}': 2,
        'qreal_requests_total{path="other",status="404"}': 1,
        "qreal_batch_images_count": 2,
        "qreal_batch_images_sum": 8,
        "qreal_batch_seconds_count": 2,
        "qreal_batch_seconds_sum": pytest.approx(0, abs=5),
        "qreal_images_waiting": 0,
    }


def test_half_a_surrogate_pair_and_hostile_text_travel_as_they_are(running: Served) -> None:
    text = json.dumps([{"bbox_2d": [0, 0, 900, 900], "label": "<script>\ud800", "description": "\u202e</script>"}])
    with served(BrightnessEngine(text=text)) as one, RemoteReward(one.url) as remote:
        [found] = remote(PICTURES[:1])
        assert found == QRealReward(BrightnessEngine(text=text))(PICTURES[:1])[0]
        assert found.entities[0].label.startswith("<script>")


def _until(true: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _start(port: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(reward_serving.__file__)), str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_and_started_anew_the_client_gets_every_reward() -> None:
    pictures = noise(60, seed=3)
    process = _start(0)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with RemoteReward(f"http://127.0.0.1:{port}", patience_s=60) as remote, ThreadPoolExecutor(1) as pool:
        later = pool.submit(remote, pictures)
        time.sleep(0.3)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not later.done()
        process = _start(port)
        try:
            assert later.result(60) == QRealReward(BrightnessEngine())(pictures)
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_what_is_under_way_and_ends_with_0(number: int) -> None:
    process = _start(0)
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(process.stdout.readline())}"
    with RemoteReward(url) as remote, ThreadPoolExecutor(1) as pool:
        later = pool.submit(remote, noise(8))
        time.sleep(0.3)
        process.send_signal(number)
        assert later.result(30) == QRealReward(BrightnessEngine())(noise(8))
    assert process.wait(30) == 0
    with RemoteReward(url, patience_s=0.1) as remote, pytest.raises(RewardServerError, match="cannot be reached"):
        remote(noise(1))
