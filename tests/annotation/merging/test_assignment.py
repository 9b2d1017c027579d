"""Asking the third only where two differ changes no majority: every combination of three votes is tried."""

from __future__ import annotations

from collections import Counter
from itertools import product

from voting import form, vote

from annotation.merging.ballot import count_saved_votes, first_annotators, needs_third, votes_differ
from annotation.merging.merge import Conclusion, merge_votes
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import QUESTION_NAMES

PEOPLE = ("anna", "ben", "cara")
DOG = form()


def every_ballot(who: str) -> list[Vote]:
    """All 64 combinations of answers, and the drop."""
    kept = [
        vote(DOG, who, **dict(zip(QUESTION_NAMES, answers, strict=True)), realism="x", plausibility="x")
        for answers in product(("Yes", "No"), repeat=len(QUESTION_NAMES))
    ]
    return [*kept, vote(DOG, who, drop="unclear")]


def test_a_third_who_is_asked_only_where_two_differ_leaves_every_majority() -> None:
    """65 x 65 x 65 votes. Merging itself is tested by itself, so here the majorities are counted directly."""
    first, second = first_annotators(DOG.entity_id, PEOPLE)
    (third,) = set(PEOPLE) - set(first_annotators(DOG.entity_id, PEOPLE))
    saved = asked = 0
    for a, b in product(every_ballot(first), every_ballot(second)):
        needed = needs_third(DOG.entity_id, PEOPLE, [a, b])
        for c in [] if needed else every_ballot(third):
            saved += 1
            # Two drop it: dropped with two votes and with three. Two keep it with the same answers: the third is one of
            # three at most.
            assert [sum(one.drop is not None for one in votes) * 2 > len(votes) for votes in ((a, b), (a, b, c))] in (
                [True, True],
                [False, False],
            )
            for name in QUESTION_NAMES if a.drop is None else ():
                assert _majority([a, b], name) == _majority([a, b, c], name) is not None
        asked += 65 * needed
    assert (saved, asked) == (65 * 65, 65 * 65 * 64)  # of 65 votes of the second exactly one agrees with the first


def _majority(votes: list[Vote], name: str) -> str | None:
    answers = [one.answers[name] for one in votes if one.answers is not None]
    best, count = Counter(answers).most_common(1)[0]
    return best if 2 * count > len(answers) else None


def test_merging_itself_comes_to_the_same_with_two_and_with_three() -> None:
    first, second = first_annotators(DOG.entity_id, PEOPLE)
    (third,) = set(PEOPLE) - set(first_annotators(DOG.entity_id, PEOPLE))
    for a, c in product(every_ballot(first), every_ballot(third)):
        b = (
            vote(DOG, second, drop="unclear")
            if a.drop
            else vote(DOG, second, **(a.answers or {}), realism="x", plausibility="x")
        )
        two = merge_votes(DOG, [a, b], {first, second}, None, None)
        three = merge_votes(DOG, [a, b, c], PEOPLE, None, None)
        assert (two.state, two.answers) == (three.state, three.answers)
        assert two.state == (Conclusion.DROPPED if a.drop else Conclusion.FINAL)


def test_differ() -> None:
    same = vote(DOG, "anna")
    # Of 100 px, shifted by 11: IoU .802; by 12: .786.
    for changes, expected in (
        ({}, False),
        ({"label": " DOG "}, False),
        ({"label": "wolf"}, True),
        ({"realism": "Another text."}, False),
        ({"plausibility_q4": "Yes"}, True),
        ({"bbox_px": (21.0, 10.0, 121.0, 110.0)}, False),
        ({"bbox_px": (22.0, 10.0, 122.0, 110.0)}, True),
        ({"drop": "unclear"}, True),
    ):
        assert votes_differ(same, vote(DOG, "ben", **changes)) is expected, changes
    assert not votes_differ(vote(DOG, "anna", drop="unclear"), vote(DOG, "ben", drop="too small"))


def test_work_is_shared_evenly_and_the_order_of_names_does_not_matter() -> None:
    entities = [f"image{number}#{number % 5}" for number in range(6000)]
    work = Counter(who for entity in entities for who in first_annotators(entity, PEOPLE))
    assert sum(work.values()) == 12_000
    assert all(abs(count - 4000) < 200 for count in work.values()), work
    assert all(first_annotators(entity, PEOPLE) == first_annotators(entity, PEOPLE[::-1]) for entity in entities[:50])
    assert all(len({*first_annotators(one, PEOPLE)} & {*PEOPLE}) == 2 for one in entities[:50])


def test_saved_tasks_are_counted() -> None:
    drafted = [form(f"image#{number}") for number in range(5)]
    votes, assigned = [], {}
    for number, one in enumerate(drafted):
        first, second = first_annotators(one.entity_id, PEOPLE)
        assigned[one.entity_id] = PEOPLE if number == 4 else (first, second)  # of the last all were asked
        votes.append(vote(one, first))
        if number != 3:  # that one is not answered by both yet
            votes.append(vote(one, second, label="wolf" if number == 2 else "dog"))
    assert count_saved_votes(assigned, PEOPLE, votes) == 2
