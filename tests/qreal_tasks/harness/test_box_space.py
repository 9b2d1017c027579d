"""In which coordinates a model is taken to write its boxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from qreal_tasks.boxes import Space
from qreal_tasks.harness.box_space import SpaceChoice, choose_space, is_assumed, read_declared_space
from qreal_tasks.harness.eval_command import argument_checks
from qreal_tasks.harness.eval_command.arguments import read_arguments
from qreal_tasks.llm.scripted_server import Reply, ScriptedServer, completion

pytestmark = pytest.mark.slow


def test_box_space_is_declared_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read_declared_space(), is_assumed()) == (Space.NORM1000, True)
    monkeypatch.setenv("QREAL_BOX_SPACE", "unit")
    assert (read_declared_space(), is_assumed()) == (Space.UNIT, False)
    assert choose_space("dummy", {}) == SpaceChoice(Space.UNIT, "QREAL_BOX_SPACE is set")
    monkeypatch.setenv("QREAL_BOX_SPACE", "percent")
    with pytest.raises(ValueError, match="expected one of pixels, resized_pixels, norm1000, norm1000_yx, unit"):
        read_declared_space()


RESIZED_PIXELS: dict[str, tuple[str, dict[str, str], str | None]] = {
    "a backend that does not report the size": ("qwen2_5_vl", {}, "qwen2_5_vl does not report the size"),
    "ours": ("qreal_hf", {"pretrained": "x"}, None),
    "a server with a family that has a rule": ("qreal_openai", {"model": "qwen2.5-vl"}, None),
    "a server whose family is said": ("qreal_openai", {"model": "judge", "family": "qwen3_vl"}, None),
    "a server with an unknown family": ("qreal_openai", {"model": "judge"}, "family is not known: give family="),
    "a server with a family without a rule": ("qreal_openai", {"model": "gemini-2.5-pro"}, "no rule is known"),
}


@pytest.mark.parametrize("case", RESIZED_PIXELS)
def test_resized_pixels_need_a_known_size(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, arguments, message = RESIZED_PIXELS[case]
    monkeypatch.setenv("QREAL_BOX_SPACE", "resized_pixels")
    arguments = {"base_url": "http://127.0.0.1:9/v1", **arguments}
    if message is None:
        assert choose_space(backend, arguments).space is Space.RESIZED_PIXELS
    else:
        with pytest.raises(ValueError, match=message):
            choose_space(backend, arguments)


@pytest.mark.parametrize(
    ("model_type", "space", "assumed"),
    [
        ("llava_next", Space.UNIT, False),
        ("qwen3_vl", Space.NORM1000, False),
        ("qwen2_5_vl", Space.NORM1000, True),  # what it writes could not be read
        ("novel", Space.NORM1000, True),
    ],
)
def test_box_space_follows_the_model_type(model_type: str, space: Space, assumed: bool, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}', encoding="utf-8")
    choice = choose_space("huggingface", {"pretrained": str(tmp_path)})
    assert (choice.space, choice.assumed) == (space, assumed)
    assert model_type in choice.reason


CHOICES: dict[str, tuple[str, dict[str, str], Space, bool, str]] = {
    "Qwen2.5-VL behind a server": (
        *("qreal_openai", {"model": "qwen2.5-vl"}, Space.RESIZED_PIXELS, False),
        "what qwen2_5_vl was trained to write; qwen2.5-vl",
    ),
    "its family said": (
        *("qreal_openai", {"model": "judge", "family": "internvl"}, Space.NORM1000, False),
        "what internvl was trained to write; family=internvl",
    ),
    "nobody knows": (
        *("qreal_openai", {"model": "judge"}, Space.NORM1000, True),
        "default; the family of judge is not known",
    ),
    "GPT-4o is not trained to write any": (
        *("qreal_openai", {"model": "gpt-4o", "base_url": "https://api.openai.com/v1"}, Space.NORM1000, True),
        "default; the family of gpt-4o is not known",
    ),
    "Gemini": (
        *("qreal_openai", {"model": "models/gemini-2.5-flash"}, Space.NORM1000_YX, False),
        "what gemini was trained to write; models/gemini-2.5-flash",
    ),
    "Gemini by the harness's own backend": (
        *("openai", {"model_version": "gemini-2.5-flash"}, Space.NORM1000_YX, False),
        "what gemini was trained to write; gemini-2.5-flash",
    ),
    "a backend named for its family": (
        *("qwen3_vl", {"pretrained": "/no/where"}, Space.NORM1000, False),
        "what qwen3_vl was trained to write; qwen3_vl",
    ),
    "nothing named": ("dummy", {}, Space.NORM1000, True, "default; the family of dummy is not known"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_box_space_follows_the_family(case: str) -> None:
    backend, arguments, space, assumed, reason = CHOICES[case]
    choice = choose_space(backend, {"base_url": "http://127.0.0.1:9/v1", **arguments})
    assert choice == SpaceChoice(space, reason, assumed)


def served(model: str) -> ScriptedServer:
    listed = {"object": "list", "data": [{"id": "judge", "root": model}]}
    return ScriptedServer(lambda _: completion("Yes"), models=Reply(listed))


def test_limits_of_pictures_are_held_against_the_model_behind_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    with served("Qwen/Qwen2.5-VL-7B-Instruct") as server:
        given = {"model": "judge", "base_url": server.url, "max_pixels": "1003520"}
        arguments = read_arguments(["--model", "qreal_openai", "--model_args", ",".join(map("=".join, given.items()))])
        argument_checks.check_arguments(arguments)
        assert choose_space("qreal_openai", given).space is Space.RESIZED_PIXELS
        monkeypatch.setenv("QREAL_BOX_SPACE", "norm1000")
        with pytest.raises(ValueError, match="max_pixels=1003520: pictures are sent in their own size"):
            choose_space("qreal_openai", given)
    monkeypatch.delenv("QREAL_BOX_SPACE")
    with served("Qwen/Qwen3-VL-8B-Instruct") as server, pytest.raises(ValueError, match="leave the limits out"):
        choose_space("qreal_openai", {**given, "base_url": server.url})
