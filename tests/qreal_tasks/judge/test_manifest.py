"""Manifests: what their hash depends on, and what is said about a wrong one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from qreal_tasks.judge.manifest import ManifestError, load_manifest
from qreal_tasks.llm.usage import load_prices

CONFIGS = Path(__file__).parents[3] / "configs/eval"
GPT_4O = load_manifest("gpt-4o")


def result() -> dict[str, Any]:
    """The packaged manifest as a file holds it."""
    return GPT_4O.model_dump(mode="json")


def written(folder: Path, content: object) -> Path:
    path = folder / "judge.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_packaged_judge_is_a_dated_snapshot_at_temperature_0() -> None:
    assert (GPT_4O.model, GPT_4O.base_url, GPT_4O.temperature) == ("gpt-4o-2024-11-20", None, 0)
    assert sorted(GPT_4O.scale) == [0, 0.25, 0.5, 0.75, 1]
    assert re.fullmatch(r"gpt-4o@[0-9a-f]{12}", GPT_4O.title)
    assert GPT_4O.title.endswith(GPT_4O.hash[:12])
    assert GPT_4O.prices == load_prices(CONFIGS / "prices.yaml", GPT_4O.model)


def test_the_local_judge_is_told_the_same() -> None:
    local = load_manifest(CONFIGS / "judge-local.yaml")
    assert (local.prompt, local.scale, local.max_tokens) == (GPT_4O.prompt, GPT_4O.scale, GPT_4O.max_tokens)
    assert local.hash != GPT_4O.hash


def test_what_a_file_holds_is_what_was_loaded(tmp_path: Path) -> None:
    assert load_manifest(str(written(tmp_path, result()))) == GPT_4O


def changed(**changes: Any) -> dict[str, Any]:
    return {**result(), **changes}


def prompt(**changes: Any) -> dict[str, Any]:
    return changed(prompt={**result()["prompt"], **changes})


@pytest.mark.parametrize(
    ("content", "same"),
    [
        pytest.param(changed(name="other"), True, id="name"),
        pytest.param(changed(prices=None), True, id="prices"),
        pytest.param(changed(temperature=0.0), True, id="0.0 is 0"),
        pytest.param(changed(base_url="http://localhost:8000/v1"), False, id="server"),
        pytest.param(changed(model="gpt-4o-2024-08-06"), False, id="model"),
        pytest.param(changed(temperature=0.1), False, id="temperature"),
        pytest.param(changed(temperature=None), False, id="no temperature"),
        pytest.param(changed(seed=1), False, id="seed"),
        pytest.param(changed(max_tokens=33), False, id="token limit"),
        pytest.param(changed(scale={"0": "no", "1": "yes"}), False, id="scale"),
        pytest.param(prompt(version=2), False, id="prompt version"),
        pytest.param(prompt(system="Compare. {anchors}"), False, id="system text"),
        pytest.param(prompt(pair="<a>{predicted}</a><b>{reference}</b>"), False, id="pair template"),
    ],
)
def test_the_hash_covers_what_a_score_depends_on(tmp_path: Path, content: object, same: bool) -> None:
    assert (load_manifest(written(tmp_path, content)).hash == GPT_4O.hash) is same


def test_one_address_written_in_two_ways_is_one_judge(tmp_path: Path) -> None:
    one, two = (load_manifest(written(tmp_path, changed(base_url=f"http://host/v1{end}"))) for end in ("", "/"))
    assert one.hash == two.hash


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in result().items() if name != field}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(without("model"), "judge.yaml: model is missing", id="missing"),
        pytest.param(changed(modle="x"), "modle is no field; did you mean model?", id="unknown"),
        pytest.param(changed(nonsense=1), "nonsense is no field; the fields are name, base_url,", id="like no field"),
        pytest.param(prompt(text="x"), "prompt.text is no field; did you mean prompt.system", id="unknown in prompt"),
        pytest.param(changed(name="my judge"), "name is 'my judge': String should match", id="blank in name"),
        pytest.param(changed(max_tokens=0), "max_tokens is 0: Input should be greater", id="no tokens"),
        pytest.param(changed(seed="x"), "seed is 'x': Input should be a valid integer", id="seed"),
        pytest.param(changed(scale={"0": "no"}), r"scale: anchors are \[0.0\], expected .*both ends", id="one end"),
        pytest.param(changed(scale={0: "", 1: "", 7: ""}), r"anchors are \[0.0, 1.0, 7.0\], expected", id="too high"),
        pytest.param(changed(prices={"input": 1}), "prices: prices of the model: .'input'., expected", id="prices"),
        pytest.param(prompt(system="Compare."), "prompt.system: holds {anchors} 0 times, expected once", id="no scale"),
        pytest.param(prompt(pair="{predicted}"), "prompt.pair: expected {predicted} alone between tags", id="no tags"),
        pytest.param(
            prompt(pair="<a>{predicted}</a>{predicted}"), "prompt.pair: holds {predicted} 2 times", id="placed twice"
        ),
        pytest.param(
            changed(scale={"0": False, "1": "yes"}), "scale.0 is False: Input should be a valid string", id="said no"
        ),
        pytest.param("model: on", 'model is True.*YAML reads on as true; write "on" in quotes', id="on"),
        pytest.param("scale: {no: x}", 'line 1: YAML reads the key no as false; write "no" in quotes', id="key"),
        pytest.param("max_tokens: 1e2", "YAML reads 1e2 as text; write 100", id="exponent"),
        pytest.param("a: [", "judge.yaml: cannot be read", id="no YAML"),
        pytest.param("just text", "judge.yaml: the file is 'just text': expected keys and values: name, ", id="text"),
        pytest.param("", "judge.yaml: name is missing", id="empty"),
    ],
)
def test_a_wrong_manifest_is_explained(tmp_path: Path, content: object, expected: str) -> None:
    with pytest.raises(ManifestError, match=expected):
        load_manifest(written(tmp_path, content))


def test_names_of_models_are_text_as_written(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed(model="MODEL", name="NAME")).replace("MODEL", "1.10").replace("NAME", "2024-01-01")
    found = load_manifest(written(tmp_path, text))
    assert (found.model, found.name) == ("1.10", "2024-01-01")


@pytest.mark.parametrize("url", ["https://user:sk-1@host/v1", "https://host/v1?key=sk-1", "host:80/v1", "ftp://host"])
def test_no_key_in_an_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(ManifestError, match="base_url: expected http") as raised:
        load_manifest(written(tmp_path, changed(base_url=url)))
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5o", "no judge is called 'gpt-5o', expected gpt-4o or the path of a .yaml file"),
        ("nowhere.yaml", "nowhere.yaml: cannot be read"),
        ("no/where", "no/where: cannot be read"),
    ],
)
def test_no_such_manifest(name: str, expected: str) -> None:
    with pytest.raises(ManifestError, match=expected):
        load_manifest(name)
