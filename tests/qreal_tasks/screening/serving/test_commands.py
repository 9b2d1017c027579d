"""The command ``qreal serve``: refused in one line before the model is loaded, and the shipped model served."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from labelled import fit_made_up
from typer.main import get_command
from typer.testing import CliRunner

from qreal_tasks.screening.asking import AskingSettings, identify_asking
from qreal_tasks.screening.calibration.record import save_calibration
from qreal_tasks.screening.reward.client import RemoteReward, RewardServerError
from qreal_tasks.screening.serving.commands import serve_command

SECRET = "a-secret-of-24-characters"
RUN = "import typer; from qreal_tasks.screening.serving.commands import serve_command; typer.run(serve_command)"

app = typer.Typer()
app.command()(serve_command)


def _refused(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 1, done.output
    [line] = done.output.strip().splitlines()
    return line


def test_another_address_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QREAL_SERVE_TOKEN", raising=False)
    for host in ("0.0.0.0", "::", "192.0.2.7"):
        line = _refused("--model", "none", "--host", host)
        assert line == (
            f"qreal serve: {host} is reached from other machines: give --token-file FILE, or set QREAL_SERVE_TOKEN"
        )


def test_a_token_that_cannot_be_one_is_refused_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    for text in ("tooshort", "", "two lines of text\nand more", "ümlaute-sind-keine-zeichen"):
        path.write_text(text, encoding="utf-8")
        line = _refused("--model", "none", "--token-file", str(path))
        assert "expected one line of at least 16 letters and digits" in line
        assert not text or text.split()[0] not in line
    assert "No such file" in _refused("--model", "none", "--token-file", str(tmp_path / "nowhere"))
    monkeypatch.setenv("QREAL_SERVE_TOKEN", "tooshort")
    assert _refused("--model", "none").startswith("qreal serve: QREAL_SERVE_TOKEN holds 8 characters")


def test_what_cannot_work_is_told_before_the_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _refused("--model", "none", "--port", str(port))
        assert f"127.0.0.1 port {port} cannot be used (Address already in use); give another --port" in line
    line = _refused("--model", "none", "--max-images", "9", "--max-queue", "8")
    assert "9 images a request, and 8 that may wait: a full request would never be taken" in line
    line = _refused("--model", "none", "--server", "http://127.0.0.1:9/v1", "--adapter", "a")
    assert "--adapter is of a model on this machine" in line
    assert "model folder './none' does not exist" in _refused("--model", "./none", "--port", "0")


def test_the_page_about_the_reward_names_what_exists() -> None:
    page = (Path(__file__).parents[4] / "docs" / "reward.md").read_text(encoding="utf-8")
    options = {name for one in get_command(app).params for name in one.opts}
    named = set(re.findall(r"(?<=[ `])--[a-z-]+", page))
    assert len(named) > 4
    assert named <= options
    [config] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    [entry] = yaml.safe_load(config)["rewards"]
    places = [entry["reward_model"].rpartition("."), *re.findall(r"from (qreal_tasks\S*)( )import (\w+)", page)]
    assert len(places) > 4
    for module, _, name in places:
        assert hasattr(import_module(module), name), (module, name)


@pytest.mark.harness  # whose process has torch and transformers imported, too
def test_the_shipped_model_is_served_and_equals_the_reward_of_this_process(tmp_path: Path) -> None:
    from qreal_tasks.mini.drawing.scene import draw_scene
    from qreal_tasks.mini.plan import plan_images
    from qreal_tasks.screening.reward.reward import QRealReward

    pictures = np.stack([draw_scene(plan).pixels for plan in plan_images(20, 77, 0.25, 0.4)[::5]])
    fitted = tmp_path / "calibration.json"
    save_calibration(fit_made_up(**identify_asking(AskingSettings(model="mini"))), fitted)
    own = QRealReward("mini", calibration=fitted)(pictures, maps=True)
    command = [
        sys.executable,
        "-c",
        RUN,
        "--model",
        "mini",
        "--port",
        "0",
        "--batch",
        "4",
        "--calibration",
        str(fitted),
    ]
    environment = {**os.environ, "QREAL_SERVE_TOKEN": SECRET}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, (line, process.communicate())
        with RemoteReward(address[0], SECRET) as remote:
            found = remote(pictures, maps=True)
        with RemoteReward(address[0]) as nobody, pytest.raises(RewardServerError, match="answers 401: no token"):
            nobody(pictures)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "Stopped.\n")
    assert SECRET not in line + out + err
    for one, expected in zip(found, own, strict=True):
        assert one.reward == pytest.approx(expected.reward, abs=1e-6)
        assert one.questions == pytest.approx(expected.questions, abs=1e-6)
        assert [entity.box_px for entity in one.entities] == [entity.box_px for entity in expected.entities]
        assert one.map is not None
        assert expected.map is not None
        assert np.abs(one.map - expected.map).max() <= 1e-6
