"""Records without what is private, whoever wrote them: an earlier release, the harness, or a backend of others."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from qreal_tasks.answers import MOST_OF_A_REASON
from qreal_tasks.records import JudgmentRecord, Record, record_from_json, record_to_json
from qreal_tasks.text.redaction import own_keys, redact, redact_keys, spellings


def clean_records(records: Iterable[Record]) -> Iterator[Record]:
    """The records without the user's keys, and their reasons without keys, addresses and paths."""
    keys = own_keys()
    spelled = [one for key in keys for one in spellings(key)]
    told = functools.cache(_told)  # most of many reasons are the same few
    for record in records:
        may_repeat = any(one in record.raw for one in spelled)
        yield _with_reasons(
            record_from_json(redact_keys(record_to_json(record), *keys)) if may_repeat else record, told
        )


def _told(reason: str) -> str:
    """What stands for an address may be longer than the address was, and a submission takes no longer reason."""
    return redact(reason)[:MOST_OF_A_REASON]


def _with_reasons(record: Record, told: Callable[[str], str]) -> Record:
    reason = record.reason and told(record.reason)
    if isinstance(record, JudgmentRecord):
        return record if reason == record.reason else replace(record, reason=reason)
    unjudged: Counter[str] = Counter()
    for why, count in record.unjudged.items():
        unjudged[told(why)] += count
    said = {told(why): told(said) for why, said in record.judge_said.items()}
    return replace(record, reason=reason, unjudged=dict(unjudged), judge_said=said)
