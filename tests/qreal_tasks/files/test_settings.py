"""A number in a file of settings is a finite number, whoever reads the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from annotation.config import load_annotation_config
from annotation.errors import AnnotationError
from annotation.llm.prompts import load_prompt
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.llm.usage import Prices, load_prices
from training.recipe import load_recipe as load_training_config

CONFIGS = Path(__file__).parents[3] / "configs"

JUDGE = yaml.safe_load((CONFIGS / "eval" / "judge-local.yaml").read_text(encoding="utf-8"))

Reading = Callable[[Path], object]


def _judge(**changed: object) -> tuple[Reading, str]:
    return load_manifest, yaml.safe_dump(JUDGE | changed)


def _annotation(**sections: object) -> tuple[Reading, str]:
    return load_annotation_config, yaml.safe_dump({"language_model": {"model": "m"}} | sections)


def _training(**keys: object) -> tuple[Reading, str]:
    return load_training_config, yaml.safe_dump({"task": "objectqa", "model": "m"} | keys)


FILES: dict[str, tuple[Reading, str]] = {
    "concurrency": _annotation(language_model={"model": "m", "concurrency": "NUMBER"}),
    "timeout_s": _annotation(language_model={"model": "m", "timeout_s": "NUMBER"}),
    "crop_px": _annotation(expected={"crop_px": [8, "NUMBER"]}),
    "input": _annotation(language_model={"model": "m", "prices": {"input": "NUMBER", "output": 1}}),
    "learning_rate": _training(learning_rate="NUMBER"),
    "lora.r": _training(lora={"r": "NUMBER"}),
    "betas": _training(betas=[0.9, "NUMBER"]),
    "version": (lambda path: load_prompt(str(path)), "name: p\nversion: NUMBER\nsystem: s\nuser: u"),
    "cached_input": (lambda path: load_prices(path, "m"), "models: {m: {input: 1, cached_input: NUMBER, output: 1}}"),
    "output": _judge(prices={"input": 1, "output": "NUMBER"}),
    "max_tokens": _judge(max_tokens="NUMBER"),
    "temperature": _judge(temperature="NUMBER"),
}
"""By what the message names."""
NO_NUMBERS = ("true", ".nan", ".inf", "-.inf", "1.0e+999", "9" * 4000, "9" * 5000, "-1", "'x'", "[1]", "{a: 1}")


@pytest.mark.slow
@pytest.mark.parametrize("number", NO_NUMBERS, ids=[number[:12] + f" {len(number)}" for number in NO_NUMBERS])
@pytest.mark.parametrize("field", FILES)
def test_what_is_no_number_is_refused(field: str, number: str, tmp_path: Path) -> None:
    reading, text = FILES[field]
    path = tmp_path / "file.yaml"
    path.write_text(text.replace("NUMBER", number), encoding="utf-8")
    with pytest.raises((AnnotationError, ValueError), match="." if len(number) == 5000 else re.escape(field)) as raised:
        reading(path)
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize("price", [True, float("nan"), float("inf"), 10**400, 1e7, -1, "1", None, [1]])
def test_what_is_no_price_is_refused(price: object) -> None:
    with pytest.raises(ValueError, match=r"input is .*, expected a number from 0 to 1,000,000"):
        Prices.of({"input": price, "output": 1})
