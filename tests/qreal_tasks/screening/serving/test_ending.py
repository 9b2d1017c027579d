"""A reward server that is killed, or told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import reward_serving
from brightness_engine import BrightnessEngine, noise
from reward_serving import error_of, post, served, wait_until

from qreal_tasks.screening.reward.client import RemoteReward, RewardServerError
from qreal_tasks.screening.reward.reward import QRealReward

PICTURES = noise(6)


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


def test_what_had_no_answer_when_the_server_had_to_end_is_counted() -> None:
    engine = BrightnessEngine()
    engine.may_answer.clear()
    threading.Timer(2.5, engine.may_answer.set).start()
    with ThreadPoolExecutor(1) as pool, served(engine, finish_s=1) as one:
        lost = pool.submit(post, one, PICTURES[:1])
        wait_until(lambda: bool(engine.threads))
    assert one.server.cut_off == 1
    assert error_of(lost.result()) == (503, "the server had to end before the model answered; ask again")
