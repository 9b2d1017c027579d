"""The reward server: what it returns is the reward of this process, for one client and for 64; tokens and counts."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import numpy as np
import pytest
from brightness_engine import BrightnessEngine, noise, silent_picture
from labelled import fit_made_up
from PIL import Image
from reward_serving import TOKEN, Served, form, png, post, served

from qreal_tasks.api.asking import Model
from qreal_tasks.benchmark import Dimension
from qreal_tasks.pages.numbers import decimals
from qreal_tasks.screening.asking import AskingSettings, identify_asking
from qreal_tasks.screening.reward.client import RemoteReward, RewardServerError
from qreal_tasks.screening.reward.reward import QRealReward

PICTURES = noise(6)


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served() as one:
        yield one


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
    assert plain == post(running, files).json()
    assert (plain["model"], plain["calibrated"]) == ("brightness", False)
    assert "map" not in plain["rewards"][0]
    lists = httpx2.post(f"{running.url}/score", json={**asked, "maps": "list"}).json()["rewards"]
    pngs = post(running, files, data={"maps": "png"}).json()["rewards"]
    own = QRealReward(BrightnessEngine())(PICTURES[:2], maps=True)
    for listed, drawn, expected in zip(lists, pngs, own, strict=True):
        assert expected.map is not None
        assert np.abs(np.array(listed["map"], np.float32) - expected.map).max() <= 1e-6
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn["map"]))))
        assert np.abs(pixels / 255 - expected.map).max() <= 0.5 / 255 + 1e-6


def test_page_and_json_say_what_the_probabilities_are_calibrated_on(running: Served) -> None:
    asked = identify_asking(AskingSettings(model="brightness"), Model(BrightnessEngine()))
    made = fit_made_up(**asked)
    with served(calibration=made) as one:
        assert post(one, PICTURES[:1]).json()["calibrated"] is True
        page = httpx2.get(one.url).text
    assert "Calibrated on made-up, split test: 300 images." in page
    assert f"in realism where “No flaw in realism” is at most {decimals(1 - made.threshold(Dimension.REALISM))}" in page
    assert "Uncalibrated" in httpx2.get(running.url).text


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


def test_a_token_is_taken_from_a_file_as_it_is_and_one_that_is_none_is_not_sent() -> None:
    with served(token=TOKEN) as one, RemoteReward(one.url, f"{TOKEN}\n") as remote:
        assert remote(PICTURES[:1])[0].reward is not None
    for wrong in ("t\u00f6ken-of-the-reward-server", "a-token\r\nHost: evil"):
        with pytest.raises(ValueError, match="holds what no header can") as error:
            RemoteReward("http://127.0.0.1:1", wrong)
        assert wrong[2:] not in str(error.value)


def test_metrics_count_what_happened() -> None:
    with served(wait_s=0.2) as one:
        for _ in range(2):
            assert post(one, [*PICTURES[:3], silent_picture()]).status_code == 200
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
