"""The probe: a judge that knows what a pair should score passes, and each fault fails its own verdict only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typed import present

from qreal_tasks.judge.meta_evaluation.probe import ProbeReport, ProbeVerdict, probe
from qreal_tasks.judge.meta_evaluation.probe_texts import (
    LONG_WORDS,
    TEXTS,
    ProbeKind,
    ProbeTexts,
    load_texts,
    probe_pairs,
)
from qreal_tasks.judge.meta_evaluation.tables import print_probe
from qreal_tasks.judge.pairs import Judgement, Pair

KNOWN = load_texts()
KIND = {item.pair: item.kind for item in probe_pairs(KNOWN)}
RIGHT = {
    ProbeKind.IDENTICAL: 1.0,
    ProbeKind.PARAPHRASE: 1.0,
    ProbeKind.PARTIAL: 0.5,
    ProbeKind.REVERSED: 0.25,
    ProbeKind.SHUFFLED: 0.0,
    ProbeKind.EMPTY: 0.0,
    ProbeKind.LONG: 0.75,
    ProbeKind.INJECTED: 0.0,
}
VERDICTS = (
    "identical",
    "reversed_apart",
    "shuffled_apart",
    "identical_first",
    "graded",
    "injection",
    "injection_answered",
)

Judge = Callable[[Sequence[Pair]], list[Judgement]]


def scripted(score: Callable[[Pair], float | None]) -> Judge:
    return lambda pairs: [Judgement(s, None if s is not None else "refused") for s in map(score, pairs)]


def perfect(pair: Pair) -> float:
    return RIGHT[KIND[pair]]


def asked(judge: Judge, texts: ProbeTexts = KNOWN) -> ProbeReport:
    return probe(judge, texts, resamples=200)


def verdict(report: ProbeReport, name: str) -> ProbeVerdict:
    return next(v for v in report.verdicts if v.name == name)


FAULTS = {
    "none": (perfect, set()),
    "always 1": (lambda p: 1.0, {"reversed_apart", "shuffled_apart", "graded"}),
    "always .5": (lambda p: 0.5, {"identical", "reversed_apart", "shuffled_apart", "graded"}),
    "upside down": (
        lambda p: 1 - perfect(p),
        {"identical", "reversed_apart", "shuffled_apart", "graded"},
    ),
    "obeys one form of many": (
        lambda p: 1.0 if '{"score": 1}' in p.predicted else perfect(p),
        {"injection"},
    ),
    "silenced by one form": (
        lambda p: None if "<|im_start|>" in p.predicted else perfect(p),
        {"injection_answered"},
    ),
    "deaf to not": (
        lambda p: 1.0 if KIND[p] is ProbeKind.REVERSED else perfect(p),
        {"reversed_apart"},
    ),
    "likes other words better": (
        lambda p: 0.95 if KIND[p] is ProbeKind.IDENTICAL else perfect(p),
        {"identical_first"},
    ),
    "all or nothing": (
        lambda p: 1.0 if KIND[p] in (ProbeKind.IDENTICAL, ProbeKind.PARAPHRASE) else 0.0,
        {"graded"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_own_verdicts_only(fault: str) -> None:
    score, expected = FAULTS[fault]
    report = asked(scripted(score))
    assert tuple(v.name for v in report.verdicts) == VERDICTS
    assert {v.name for v in report.verdicts if not v.passed} == expected, report.verdicts
    assert report.trusted is (not expected)


def test_numbers_of_the_perfect_judge() -> None:
    report = asked(scripted(perfect))
    assert {k.kind: k.mean for k in report.kinds} == RIGHT
    assert all((k.low, k.high) == (k.mean, k.mean) for k in report.kinds)
    assert all(f.mean == f.maximum == f.silenced == 0 for f in (*report.forms, report.injected))
    assert verdict(report, "reversed_apart").value == 1
    assert verdict(report, "graded").value == 0.5


def test_one_form_that_works_is_not_diluted_by_the_others() -> None:
    report = asked(scripted(FAULTS["obeys one form of many"][0]))
    assert report.injected.mean == pytest.approx(1 / len(KNOWN.injections))
    assert verdict(report, "injection").value == 1


def test_an_interval_holds_the_mean_and_comes_again_with_the_seed() -> None:
    judge = scripted(lambda p: (len(p.predicted) * 7 % 11) / 11)
    report = asked(judge)
    assert report == asked(judge)
    for kind in report.kinds:
        assert present(kind.low) <= present(kind.mean) <= present(kind.high), kind


def test_unjudged_pairs_are_counted_by_reason_and_no_score_of_0() -> None:
    first = KNOWN.texts[0].base
    report = asked(scripted(lambda p: None if p == Pair(first, first) else perfect(p)))
    identical = next(k for k in report.kinds if k.kind is ProbeKind.IDENTICAL)
    assert (identical.n, identical.unjudged, identical.mean) == (len(KNOWN.texts), {"refused": 1}, 1.0)


def test_a_judge_that_answers_nothing_passes_nothing() -> None:
    report = asked(scripted(lambda p: None))
    assert {(v.value, v.passed) for v in report.verdicts} == {(None, None)}
    assert not report.trusted
    assert all(k.mean is k.low is k.median is k.maximum is None for k in report.kinds)


def test_the_order_of_the_texts_changes_no_verdict() -> None:
    score = scripted(lambda p: (len(p.predicted) + len(p.reference)) % 5 / 4)
    turned = KNOWN.model_copy(update={"texts": KNOWN.texts[12:] + KNOWN.texts[:12]})
    for one, other in zip(asked(score).verdicts, asked(score, turned).verdicts, strict=True):
        assert one.value == pytest.approx(other.value), one.name


ANSWERS = {
    "too few": (lambda pairs: [Judgement(1.0)], "1 judgements for 480 pairs"),
    "above 1": (lambda pairs: [Judgement(5.0)] * len(pairs), "woman_hand, identical: score is 5.0"),
    "nan": (lambda pairs: [Judgement(float("nan"))] * len(pairs), "expected a number from 0 to 1 or None"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_impossible_answers_are_errors(case: str) -> None:
    judge, message = ANSWERS[case]
    with pytest.raises(ValueError, match=message):
        asked(judge)


def test_the_texts_are_what_they_say() -> None:
    written = [words for t in KNOWN.texts for words in (t.base, t.paraphrase, t.reversed, t.partial)]
    assert len(KNOWN.texts) == 24
    assert len(set(written)) == len(written)
    assert len(KNOWN.injections) >= 8
    base = {t.base for t in KNOWN.texts}
    for item in probe_pairs(KNOWN):
        assert item.pair.reference in base
        if item.kind in (ProbeKind.SHUFFLED, ProbeKind.INJECTED):
            assert item.pair.reference not in item.pair.predicted, item.text_id
        if item.kind is ProbeKind.LONG:
            assert item.pair.reference in item.pair.predicted
            assert len(item.pair.predicted.split()) == pytest.approx(LONG_WORDS, rel=0.05)


DAMAGE = {
    "unknown field": ("paraphrase:", "paraphrased:", "did you mean texts.paraphrase?"),
    "id twice": ("id: man_eyes", "id: woman_hand", "id 'woman_hand' occurs twice"),
    "form without description": ('"{description} Ignore', '"Ignore', "'order_after' has no {description}"),
    "nothing": (TEXTS.read_text(encoding="utf-8"), "", "texts is missing"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_an_error_that_names_the_place(case: str, tmp_path: Path) -> None:
    old, new, message = DAMAGE[case]
    path = tmp_path / "texts.yaml"
    path.write_text(TEXTS.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"{path}: ") + ".*" + re.escape(message)):
        load_texts(path)


def test_the_table_names_verdicts_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    print_probe(asked(scripted(FAULTS["silenced by one form"][0])))
    shown = capsys.readouterr().out
    for piece in ("paraphrase", "system_message", "injection_answered", "FAIL", "injected: 24 pairs got a refusal"):
        assert piece in shown
