"""Text similarity: what the numbers are with known embeddings, and a real encoder without a network."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from written_run import write_run

from qreal_tasks.cli import app
from qreal_tasks.judge.meta_evaluation.probe import probe
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.similarity import (
    Encode,
    build_similarity_judge,
    load_encoder,
    score_similarity,
    text_similarity,
)
from qreal_tasks.records import GroundingRecord, Region

VECTORS = {"east": (2.0, 0.0), "north": (0.0, 1.0), "north-east": (1.0, 1.0), "west": (-1.0, 0.0)}


def compass(texts: Sequence[str]) -> np.ndarray:
    return np.array([VECTORS[text] for text in texts])


def words(texts: Sequence[str]) -> np.ndarray:
    """Counts of words, as an encoder that sees nothing but these: it has no idea of a reversal."""
    return np.array([np.bincount([hash_of(word) for word in text.lower().split()], minlength=512) for text in texts])


def hash_of(word: str) -> int:
    return sum(ord(letter) * int(31**place) for place, letter in enumerate(word)) % 512


CASES = {
    "identical": (Pair("east", "east"), 1.0),
    "at right angles": (Pair("east", "north"), 0.0),
    "between": (Pair("north-east", "east"), math.sqrt(0.5)),
    "opposite is clipped": (Pair("west", "east"), 0.0),
    "says nothing": (Pair(" ", "east"), 0.0),
    "nothing to compare with": (Pair("east", ""), math.nan),
    "nothing at all": (Pair("", "\n"), math.nan),
}


def test_values_by_hand() -> None:
    found = text_similarity([pair for pair, _ in CASES.values()], compass)
    assert found == pytest.approx([value for _, value in CASES.values()], nan_ok=True)


def test_each_text_is_encoded_once_and_only_when_there_is_one() -> None:
    seen: list[list[str]] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        seen.append(list(texts))
        return compass(texts)

    text_similarity([Pair("", "east"), Pair("east", "")], encode)
    text_similarity([Pair("east", "north"), Pair("north", "east")], encode)
    assert seen == [["east", "north"]]


def record(image_id: str, *pairs: Pair, scores: tuple[float, ...] | None = None) -> GroundingRecord:
    boxes = [(10.0 * n, 0.0, 10.0 * n + 5, 5.0) for n in range(len(pairs))]
    predicted = tuple(Region("cat", box, pair.predicted) for box, pair in zip(boxes, pairs, strict=True))
    reference = tuple(Region("cat", box, pair.reference) for box, pair in zip(boxes, pairs, strict=True))
    return GroundingRecord(
        *("realism", image_id, "g", False, 99, 9, "pixels", None, "", None),
        *(predicted, {}, 0, reference, "1", "", "", "test", scores),
    )


def test_mean_of_an_image_then_of_images_with_a_pair() -> None:
    records = [
        record("i0", Pair("east", "east"), Pair("north", "east"), Pair("east", "")),
        record("i1", Pair("east", "east")),
        record("i2"),
        record("i3", Pair("east", "")),
    ]
    expected = {"text_similarity": 0.75, "n_images": 2, "n_pairs": 3, "n_undefined": 2}
    assert score_similarity(records, compass) == pytest.approx(expected)
    assert score_similarity(records[::-1], compass) == pytest.approx(expected)


def test_without_a_pair_it_is_undefined() -> None:
    assert score_similarity([], compass)["text_similarity"] is None
    assert score_similarity([record("i2")], compass)["text_similarity"] is None


def test_an_image_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="i0: occurs twice"):
        score_similarity([record("i0"), record("i0")], compass)


def test_as_a_judge_it_fails_where_it_must() -> None:
    assert build_similarity_judge(compass)([Pair("east", "")]) == [Judgement(None, "empty reference")]
    report = probe(build_similarity_judge(words), resamples=50)
    verdicts = {v.name: v.passed for v in report.verdicts}
    assert verdicts["identical"]
    assert not verdicts["reversed_apart"]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of sentence-transformers with random weights: tokenizer, a BERT of one layer, mean pooling."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(tokens), **sizes)).save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[bert, Pooling(16)], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture
def encode(encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Encode:
    def no_network(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", no_network)
    load_encoder.cache_clear()
    return load_encoder(str(encoder_folder))


@pytest.mark.slow
def test_a_folder_works_offline_and_gives_the_same_again(encode: Encode, encoder_folder: Path) -> None:
    pairs = [Pair("six fingers", "six fingers"), Pair("a cat", "the sign is unreadable"), Pair("a cat", "a hat")]
    first = text_similarity(pairs, encode)
    assert first[0] == pytest.approx(1, abs=1e-6)
    assert all(0 <= value <= 1 for value in first)
    assert len(set(first)) == 3
    load_encoder.cache_clear()
    assert text_similarity(pairs, load_encoder(str(encoder_folder))) == first


@pytest.mark.slow
def test_neither_order_nor_company_changes_a_pair(encode: Encode) -> None:
    pairs = [Pair("a cat with two tails", "a cat"), Pair("a", "the sign is unreadable " * 9), Pair("wax", "skin")]
    together = text_similarity(pairs, encode)
    assert text_similarity(pairs[::-1], encode)[::-1] == pytest.approx(together, abs=1e-6)
    assert [text_similarity([pair], encode)[0] for pair in pairs] == pytest.approx(together, abs=1e-6)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load_encoder.cache_clear()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"install qreal-bench\[eval\]"):
        text_similarity([Pair("a", "b")])


@pytest.mark.slow
def test_a_missing_model_is_named() -> None:
    load_encoder.cache_clear()
    with pytest.raises(ValueError, match=r"encoder no/such-encoder: .*give the folder"):
        load_encoder("no/such-encoder")


@pytest.mark.slow
def test_the_command_prints_a_line_a_set_and_leaves_the_run_alone(encoder_folder: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = CliRunner().invoke(app, ["judge", "similarity", str(run), "--encoder", str(encoder_folder)])
    assert done.exit_code == 0, done.output
    assert re.search(r"realism: text_similarity \.\d{3} \(2 pairs of 2 images, 0 without a reference\)", done.output)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    missing = CliRunner().invoke(app, ["judge", "similarity", str(run), "--encoder", str(tmp_path / "nowhere")])
    assert missing.exit_code == 1
    assert "nowhere" in missing.output
