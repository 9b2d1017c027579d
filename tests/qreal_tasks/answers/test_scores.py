"""What a backend reports beside the text."""

import json

import pytest

from qreal_tasks.answers import Scores, parse_input_size, parse_scores, parse_unanswered


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        pytest.param('{"choices": ["Yes", "No"], "p": [0.75, 0.25], "mass": 0.5}', Scores(0.75, 0.5), id="as written"),
        pytest.param('{"choices": ["No", "Yes"], "p": [0.25, 0.75]}', Scores(0.75, None), id="order of the choices"),
        pytest.param('{"choices": ["Yes", "No"], "p": [0.3, 0.1]}', Scores(0.75, None), id="normalised"),
        pytest.param('{"choices": ["Yes", "No", "Maybe"], "p": [1, 1, 8]}', Scores(0.5, None), id="another choice"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1e308, 1e308]}', Scores(0.5, None), id="no overflow"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1, 0], "mass": NaN}', Scores(1.0, None), id="bad mass left out"),
        *(
            pytest.param(
                f'{{"choices": ["Yes", "No"], "p": [1, 0], "mass": {mass}}}', Scores(1.0, None), id=f"mass {mass:.9}"
            )
            for mass in ("1.02", "-0.1", "1e999", "-Infinity", "true", '"0.9"', "9" * 4000, "9" * 4300, "[1]", "{}")
        ),
        *(
            pytest.param(f'{{"choices": ["Yes", "No"], "p": [{p}, 0.5]}}', None, id=f"p {p:.9}")
            for p in ("-0.1", "1e999", "-Infinity", "false", '"0.9"', "9" * 4000, "9" * 5000, "[1]", "null")
        ),
        pytest.param('{"choices": ["Yes", "No"], "p": [0, 0]}', None, id="nothing on either"),
        pytest.param('{"choices": ["Yes", "No"], "p": [-1, 2]}', None, id="negative"),
        pytest.param('{"choices": ["Yes", "No"], "p": [NaN, 1]}', None, id="NaN"),
        pytest.param('{"choices": ["Yes", "No"], "p": [true, 1]}', None, id="boolean"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1]}', None, id="one too few"),
        pytest.param('{"choices": ["Yes"], "p": [1]}', None, id="a choice is missing"),
        pytest.param('{"input_size": [4, 4]}', None, id="something else"),
        pytest.param("[" * 100_000, None, id="nested too deep"),
        pytest.param("Yes", None, id="no JSON"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_scores(text: str | None, scores: Scores | None) -> None:
    found = parse_scores(text)
    assert (found is None) == (scores is None)
    if found and scores:
        assert found.p_yes == pytest.approx(scores.p_yes)
        assert found.mass == scores.mass


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param('{"input_size": [1036, 784]}', (1036, 784), id="as written"),
        pytest.param('{"choices": ["Yes"], "p": [1], "input_size": [2, 3]}', (2, 3), id="beside scores"),
        pytest.param('{"input_size": [0, 784]}', None, id="zero"),
        pytest.param('{"input_size": [10.5, 784]}', None, id="not whole"),
        pytest.param('{"input_size": [true, 784]}', None, id="boolean"),
        pytest.param('{"input_size": [784]}', None, id="one number"),
        pytest.param('{"input_size": ', None, id="cut off"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_input_size(text: str | None, size: tuple[int, int] | None) -> None:
    assert parse_input_size(text) == size


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("refused", "refused"),
        ("HTTP 400:\n\tbad\u202e request\u200b", "HTTP 400: bad request"),
        ("a" * 400, "a" * 300),
        ("half \ud800 a pair", "half a pair"),
        (" \n\u200b", None),
        ("", None),
        (3, None),
    ],
)
def test_a_reason_is_one_short_plain_line(result: object, expected: str | None) -> None:
    assert parse_unanswered(json.dumps({"unanswered": result})) == expected
