"""``qreal screen`` as a user types it: configs, options, exit status, and the lines it ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from refusing import no_permission, no_room, tree
from scripted_screening import RESULTS, encode, picture, reply, write_images
from typer.testing import CliRunner

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.screening.commands import screen_app
from qreal_tasks.screening.rows import read_rows
from qreal_tasks.screening.run.settings import ScreeningSettings, load_screening_settings

CONFIGS = Path(__file__).parents[4] / "configs" / "screening"
QUICK = {"timeout_s": 5, "max_retries": 0, "first_wait_s": 0.01, "outage_s": 0.2}


def run(*words: object) -> tuple[int, str]:
    """Exit status and everything that was said."""
    result = CliRunner().invoke(screen_app, [str(one) for one in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply) as started:
        yield started


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = write_images(tmp_path / "images", 6)
    (folder / "a" / "broken.png").write_bytes(encode(picture(1))[:500])
    return folder


def config_for(folder: Path, server: ScriptedServer | str, **changes: Any) -> Path:
    url = server if isinstance(server, str) else server.url
    content = {"model": "scripted", "server": url, "box_space": "norm1000", "options": QUICK, "images_per_shard": 3}
    path = folder / "screening.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def test_a_folder_is_screened_and_said_in_sentences(images: Path, tmp_path: Path, server: ScriptedServer) -> None:
    status, said = run(images, "--config", config_for(tmp_path, server), "--out", tmp_path / "out")
    assert status == 0, said
    assert "7 images: 6 judged, 1 refused" in said
    assert "1 refused: damaged" in said
    assert re.search(r"\d of 6 told are flawed \(\d+\.\d%\)", said)
    assert "uncalibrated" in said
    assert all((tmp_path / "out" / name).stat().st_size for name in (*RESULTS, "index.html"))


def test_too_many_flawed_images_set_the_exit_status(images: Path, tmp_path: Path, server: ScriptedServer) -> None:
    words = (images, "--config", config_for(tmp_path, server), "--out", tmp_path / "out")
    flawed = sum((row["severity"] or 0) >= 0.5 for row in [*(run(*words) and read_rows(tmp_path / "out"))])
    assert flawed > 0
    asked = len(server.asked)
    status, said = run(*words, "--max-flawed", "0")
    assert status == 3
    assert re.search(
        r"qreal screen: \d of 6 images are flawed \(\d+\.\d%\), more than the 0.0% that --max-flawed", said
    )
    assert "1 more could not be told" in said
    status, said = run(*words, "--max-flawed", "1")
    assert status == 0
    assert re.search(r"note: --max-flawed says nothing about 1 of \d images, which could not be told", said)
    assert len(server.asked) == asked


def test_options_win_over_the_config(images: Path, tmp_path: Path, server: ScriptedServer) -> None:
    config = config_for(tmp_path, server, detect=True, sets=["realism"], weighting="side")
    words = (
        "--config",
        config,
        "--out",
        tmp_path / "out",
        "--no-detect",
        "--sets",
        "plausibility",
        "--weighting",
        "equal",
    )
    server.asked.clear()
    assert run(images, *words)[0] == 0
    record = json.loads((tmp_path / "out" / "screening.json").read_text())
    assert (record["detect"], record["sets"], record["weighting"]) == (False, ["plausibility"], "equal")
    assert not any("Find every entity" in one.text or "realism (whether" in one.text for one in server.asked)


def test_another_model_judges_the_crops(images: Path, tmp_path: Path, server: ScriptedServer) -> None:
    with ScriptedServer(lambda asked: completion("No", {"No": 0.9, "Yes": 0.1})) as crops:
        config = config_for(tmp_path, server, crop_model={"model": "small", "server": crops.url, "options": QUICK})
        server.asked.clear()
        assert run(images, "--config", config, "--out", tmp_path / "out")[0] == 0
        assert {asked.body["model"] for asked in crops.asked} == {"small"}
        assert not any("Answer with one word" in asked.text for asked in server.asked)
    answers = [entity["answers"] for row in read_rows(tmp_path / "out") for entity in row["entities"]]
    assert len(crops.asked) >= 6 * len(answers) > 0
    assert {round(one["p_yes"] or 0, 3) for cells in answers for one in cells.values()} == {0.1}


def test_a_server_that_is_down_ends_the_run_which_goes_on_later(images: Path, tmp_path: Path) -> None:
    first, is_down = tmp_path / "out" / "shards" / "00000.parquet", True

    def dies(asked: Asked) -> Reply:
        return error(503, "overloaded") if is_down and first.exists() else reply(asked)

    with ScriptedServer(dies) as server:
        config = config_for(tmp_path, server)
        status, said = run(images, "--config", config, "--out", tmp_path / "out")
        assert status == 1
        assert said.strip().splitlines()[-1].startswith("qreal screen: ")
        assert first.exists()
        is_down = False
        assert run(images, "--config", config, "--out", tmp_path / "out")[0] == 0
    assert all(row["state"] == "judged" for row in read_rows(tmp_path / "out") if row["image"] != "a/broken.png")


def test_nobody_at_the_address_is_said(images: Path, tmp_path: Path) -> None:
    config = config_for(tmp_path, "http://127.0.0.1:9/v1")
    status, said = run(images, "--config", config, "--out", tmp_path / "out")
    assert status == 1
    assert "http://127.0.0.1:9/v1" in said
    assert "Traceback" not in said


def test_a_run_of_which_nothing_could_be_told_fails(tmp_path: Path, server: ScriptedServer) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "note.png").write_text("no picture")
    status, said = run(tmp_path / "images", "--config", config_for(tmp_path, server), "--out", tmp_path / "out")
    assert status == 1
    assert "of none of 1 images it could be told" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "options: model is missing"),
        (("--model", "m", "--sets", "beauty"), "sets: unknown beauty, expected some of realism, plausibility"),
        (("--model", "m", "--sets", "", "--no-detect"), "neither sets nor detect"),
        (("--model", "./nowhere"), "model folder './nowhere' does not exist"),
        (("--model", "m", "--server", "ftp://x"), "expected http(s)://host[:port]/v1"),
        (("--model", "m", "--server", "http://x/v1", "--adapter", "a"), "a server has its own name for one with an"),
        (("--model", "m", "--box-space", "inches"), "box_space"),
        (("--config", "missing.yaml"), "missing.yaml"),
        (("--config", "typo.yaml"), "modell is no field; did you mean model?"),
        (("--config", "key.yaml"), "api_key is no option of a file that others see; set OPENAI_API_KEY"),
        (("--config", "unknown.yaml"), "options of m: "),
        (("--model", "m", "--calibration", "nothing.json"), "nothing.json"),
    ],
)
def test_what_cannot_be_is_one_line(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("typo.yaml").write_text("modell: m\n")
    Path("key.yaml").write_text("model: m\noptions: {api_key: secret-key}\n")
    Path("unknown.yaml").write_text("model: m\nserver: http://127.0.0.1:9/v1\noptions: {concurency: 3}\n")
    status, said = run(images, "--out", "out", *words)
    assert status == 1, said
    assert message in said
    assert "secret-key" not in said
    assert said.strip().splitlines()[-1].startswith("qreal screen: ")


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.iterdir()))
def test_the_configs_are_read(name: str) -> None:
    settings = load_screening_settings(CONFIGS / name, {})
    assert isinstance(settings, ScreeningSettings)
    assert settings.detect


@pytest.mark.parametrize("refusing", ["no room", "no permission"])
@pytest.mark.parametrize("when", ["first", "grown"])
def test_a_refused_run_says_it_in_a_line_and_loses_nothing(
    images: Path, tmp_path: Path, server: ScriptedServer, refusing: str, when: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = (images, "--config", config_for(tmp_path, server), "--out", out)
    if when == "grown":
        assert run(*words)[0] == 0
        write_images(images, 5, first=50)
    before = tree(out)
    with no_room() if refusing == "no room" else no_permission(out):
        status, said = run(*words)
    assert status == 1
    assert {name: content for name, content in tree(out).items() if content} == before
    assert "Traceback" not in said
    assert re.search(r"qreal screen: .*(File too large|Permission denied)", said.strip().splitlines()[-1])
    assert run(*words)[0] == 0
    assert len(list(read_rows(out))) == (12 if when == "grown" else 7)
