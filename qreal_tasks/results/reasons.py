"""Reasons as sentences: why answers could not be read, and why pairs of descriptions have no score.

Records hold reasons as short codes, which are counted and compared. Whoever reads a table, a page or a board is told
what the codes mean, how often, and with one example.

>>> describe_answers({"no_entity": 60}, {"no_entity": "No"})
"60 answers held no list of boxes, for example: 'No'"
>>> describe_pairs({"timed out": 1})
'1 pair got no reply in time'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qreal_tasks.answers import Reason
from qreal_tasks.pages.numbers import whole
from qreal_tasks.records import NO_REASON, GroundingRecord
from qreal_tasks.results.predicted import NO_PREDICTION
from qreal_tasks.results.score import RunScores
from qreal_tasks.subtasks import SUBTASKS
from qreal_tasks.text.one_line import one_line

MOST_QUOTED = 80
"""Characters of an example."""
MOST_REASONS = 6
"""Reasons told apart; a server's messages may all differ."""

ANSWER_REASONS: Mapping[str, str] = {
    Reason.EMPTY: "held nothing to read",
    Reason.REQUEST_FAILED: "never came, because the request failed",
    Reason.UNFINISHED_REASONING: "ended inside the reasoning",
    Reason.AMBIGUOUS: "held both Yes and No, or took one of them back",
    Reason.NO_VERDICT: "held neither Yes nor No",
    Reason.CUT_OFF: "ended before the first entity was complete",
    Reason.NO_ENTITY: "held no list of boxes",
    "backend reports no input size": "had boxes that cannot be placed: the backend did not report the size it fed the "
    "model",
    "refused": "held a refusal",
    "content filter": "did not pass the server's content filter",
    "empty answer": "came without a text",
    "used up its tokens before answering": "never began: all tokens were used up before it",
    "request failed": "never came",
    NO_PREDICTION: "had no line in the file of predictions",
    "unreadable picture": "had a picture that cannot be read",
    NO_REASON: "could not be read, without a reason given",
}
"""Why an answer could not be read: what follows a count in a sentence, by reason or by what stands before its colon."""
PAIR_REASONS: Mapping[str, str] = {
    "malformed JSON": 'got a reply that is not one JSON object {"score": …} alone',
    "no score": 'got a reply without one number as its "score"',
    "out of range": "got a score outside 0 to 1",
    "truncated": "got a reply that was cut off at the manifest's max_tokens",
    "refused": "got a refusal",
    "content filter": "did not pass the server's content filter",
    "empty answer": "got an empty reply",
    "used up its tokens before answering": "got no reply before the manifest's max_tokens were used up",
    "malformed answer": "got a response that is not a chat completion",
    "empty reference": "had no description in the reference",
    "timed out": "got no reply in time",
    "connection lost": "got no reply, because the connection was lost",
    "judge stopped": "got no reply, because the judge had stopped",
    "no answer in batch": "got no reply in the batch",
    NO_REASON: "got no score, without a reason given",
}
"""Why a pair of descriptions has no score, in the same form."""


def explain_unparsed(scores: RunScores, name: str, may_quote: Callable[[str], bool] = lambda text: True) -> str:
    """Why answers to a question, or about an ImageQA set, could not be read; empty when all were.

    Args:
        may_quote: whether a text of the model may stand there as an example.
    """
    asked = {r.reason or NO_REASON: r.raw for r in reversed(scores.run.judgments(name)) if r.answer is None}
    shown = {r.reason: r.raw for r in reversed(scores.run.groundings(name)) if r.reason is not None}
    texts = {reason: raw for reason, raw in {**asked, **shown}.items() if may_quote(raw)}
    return describe_answers(scores.rows[name].unread, texts)


def explain_unjudged(scores: RunScores, set_name: str) -> str:
    """Why pairs of a set have no score; empty when all have one."""
    return describe_pairs(scores.imageqa[set_name].unjudged, collect_replies(scores.run.groundings(set_name)))


def explain_missing_llm_score(scores: RunScores) -> tuple[list[str], str]:
    """The sets whose LLM-Score and Joint are undefined although no pair is unjudged, and why they are."""
    silent = [name for name, group in scores.imageqa.items() if group.metrics.get("unjudged") is None]
    if scores.run.judges:
        return silent, "no predicted box was paired with one of the reference, so there was nothing to judge"
    return silent, "no judge was asked. `qreal judge RUN` asks one"


def collect_replies(records: Iterable[GroundingRecord]) -> dict[str, str]:
    """One reply of the judge for each reason."""
    return {reason: reply for record in records for reason, reply in record.judge_said.items()}


def describe_answers(counts: Mapping[str, int], texts: Mapping[str, str] | None = None) -> str:
    """Sentences about answers.

    Args:
        counts: answers by reason.
        texts: for a reason, what the model wrote in one of them.
    """
    return _sentences("answer", counts, texts or {}, describe_answer)


def describe_pairs(counts: Mapping[str, int], replies: Mapping[str, str] | None = None) -> str:
    """Sentences about pairs of descriptions; ``replies`` is for a reason what the judge wrote once."""
    return _sentences("pair", counts, replies or {}, _pair_phrase)


def describe_answer(reason: str) -> str:
    """What became of an answer, as it follows "the answer".

    >>> [describe_answer(reason) for reason in ("request failed: 503: overloaded", "detect: cut_off", "odd_one")]
    ['never came (503: overloaded)', 'ended before the first entity was complete, in the stage detect', \
'could not be read: odd one']
    """
    before, _, rest = reason.partition(": ")
    if before in SUBTASKS and rest:
        return f"{describe_answer(rest)}, in the stage {before}"
    return _phrase(reason, ANSWER_REASONS, "could not be read")


def _pair_phrase(reason: str) -> str:
    return _phrase(reason, PAIR_REASONS, "got no score")


def _phrase(reason: str, phrases: Mapping[str, str], otherwise: str) -> str:
    before, _, rest = reason.partition(": ")
    if reason in phrases:
        return phrases[reason]
    if before in phrases:
        return f"{phrases[before]} ({rest})"
    return f"{otherwise}: {reason.replace('_', ' ')}"


def _sentences(noun: str, counts: Mapping[str, int], examples: Mapping[str, str], phrase: Callable[[str], str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    sentences = []
    for reason, count in ordered[:MOST_REASONS]:
        example = one_line(examples.get(reason, ""), MOST_QUOTED)
        shown = f", for example: '{example}'" if example else ""
        sentences.append(f"{_counted(count, noun)} {phrase(one_line(reason))}{shown}")
    if others := ordered[MOST_REASONS:]:
        sentences.append(f"{_counted(sum(count for _, count in others), noun)} for {len(others)} other reasons")
    return "; ".join(sentences)


def _counted(count: int, noun: str) -> str:
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"
