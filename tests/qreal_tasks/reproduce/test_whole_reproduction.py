"""A whole reproduction, with a tiny model in the place of one of the paper's, and scripts in that of its servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reproduce_tiny

pytestmark = [pytest.mark.slow, pytest.mark.harness]


def test_every_row_of_a_family_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    reproduce_tiny.reproduce(tmp_path, ["benchmark"], 1, ["llava-v1.6-mistral-7b"])
    content = json.loads((tmp_path / "results" / "tables.json").read_text(encoding="utf-8"))
    assert content["left"] == []
    assert content["gpu_hours_measured"] > 0
    rows = [(table["table"], row) for table in content["tables"] for row in table["rows"]]
    assert {row["model"] for _, row in rows} == {
        *("GPT-4o", "llava-v1.6-mistral-7B", "llava-v1.6-mistral-7B*"),
        *("llava-v1.6-mistral-7B^1", "llava-v1.6-mistral-7B^2"),
    }
    assert all(row["run"] for _, row in rows)
    assert all(row["cells"]["acc"]["own"] is not None for number, row in rows if number == 1)
