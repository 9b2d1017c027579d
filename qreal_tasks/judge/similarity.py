"""Text similarity: what can be said about two descriptions without asking a language model.

``text_similarity`` is the cosine of two sentence embeddings::

    s(a, b) = min(1, max(0, e(a) . e(b) / (|e(a)| |e(b)|)))

It is a companion to LLM-Score, deterministic and without cost, and no substitute: it sees what a text is about and
hardly what it says of it. "The hand has six fingers" and "The hand has five fingers, as it should" are about the same
and come out alike, although one contradicts the other. It is therefore never reported as ``llm_score``. How large the
fault is depends on the encoder; ``probe(similarity_judge())`` measures it (verdict ``reversed_apart``).

Negative cosines become 0, so that the range is that of LLM-Score: below 0 there are only degrees of unrelated. An
encoder reads as many tokens as it was made for (256 for the default one) and passes over the rest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.records import list_pairs
from qreal_tasks.metrics.sums import FloatArray, Ratio, Scores, aggregate, divide, require_same
from qreal_tasks.records import GroundingRecord

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"

Encode = Callable[[Sequence[str]], FloatArray]
"""n texts to (n, d) embeddings."""


@functools.cache
def load_encoder(model: str = DEFAULT_ENCODER) -> Encode:
    """A model of sentence-transformers, on the processor: the same digits with and without an accelerator.

    Args:
        model: a folder, or a name on the hub; without a network, one that is already in the hub's cache.

    Raises:
        ImportError: sentence-transformers is not installed.
        ValueError: the model can be had neither from this machine nor from the hub.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            f"text similarity needs sentence-transformers ({error}); install qreal-bench[eval], or do without it"
        ) from error
    try:
        loaded = SentenceTransformer(model, device="cpu")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"encoder {model}: {str(error).strip().partition(chr(10))[0]}; "
            "give the folder of a sentence-transformers model, or put this one into the hub's cache"
        ) from error

    def encode(texts: Sequence[str]) -> FloatArray:
        return np.asarray(loaded.encode(list(texts), show_progress_bar=False), dtype=np.float64)

    return encode


def text_similarity(pairs: Sequence[Pair], encode: Encode | None = None) -> list[float]:
    """How alike the two texts of each pair are, 0 to 1; see the module for what that leaves out.

    An empty prediction is 0, since it says nothing of what the reference says; the embedding of nothing would be like
    that of some text. With an empty reference it is nan.

    Args:
        encode: the default encoder when None.

    Raises:
        ImportError: sentence-transformers is not installed.
        ValueError: the default encoder can be had neither from this machine nor from the hub.
    """
    written = [pair for pair in pairs if pair.predicted.strip() and pair.reference.strip()]
    row = {text: i for i, text in enumerate(dict.fromkeys(t for p in written for t in (p.predicted, p.reference)))}
    if not row:
        return [_without_text(pair) for pair in pairs]
    vectors = (encode or load_encoder())(list(row))
    unit = divide(vectors, np.linalg.norm(vectors, axis=1, keepdims=True) * np.ones_like(vectors))

    def cosine(pair: Pair) -> float:
        return float(np.clip(unit[row[pair.predicted]] @ unit[row[pair.reference]], 0, 1))

    return [cosine(p) if p.predicted in row and p.reference in row else _without_text(p) for p in pairs]


def _without_text(pair: Pair) -> float:
    return 0.0 if pair.reference.strip() else math.nan


def score_similarity(records: Sequence[GroundingRecord], encode: Encode | None = None) -> Scores:
    """``text_similarity`` of one set: mean over an image's matched pairs, then over images with one.

    Pairs are those of LLM-Score; a pair with an empty reference is out and counted in ``n_undefined``.

    Raises:
        ImportError, ValueError: as ``text_similarity``; records of several sets, or an image twice, by name.
    """
    require_same(records, "set_name", "image_id")
    pairs = [list_pairs(record) for record in records]
    values = iter(text_similarity([pair for some in pairs for pair in some], encode))
    per_image = [[next(values) for _ in some] for some in pairs]
    defined = [[value for value in some if not math.isnan(value)] for some in per_image]
    return {
        "text_similarity": aggregate(Ratio(math.fsum(some) / len(some), 1) for some in defined if some),
        "n_images": sum(bool(some) for some in defined),
        "n_pairs": sum(map(len, defined)),
        "n_undefined": sum(map(len, per_image)) - sum(map(len, defined)),
    }


def build_similarity_judge(encode: Encode | None = None) -> Callable[[Sequence[Pair]], list[Judgement]]:
    """Text similarity in the form of a judge, to probe it or to set it beside judges; not for ``llm_score``."""

    def judge(pairs: Sequence[Pair]) -> list[Judgement]:
        values = text_similarity(pairs, encode)
        return [Judgement(None, "empty reference") if math.isnan(value) else Judgement(value) for value in values]

    return judge
