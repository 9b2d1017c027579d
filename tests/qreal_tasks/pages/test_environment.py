"""The common base of pages: what is given is text, what is missing an error, a page written whole or not at all."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.pages.numbers import decimals, interval, percent, whole

HOSTILE = "</script><script>alert(1)</script> <!-- & \u2028 ' \""


class Elements(HTMLParser):
    """Names of the elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


def rendered(body: str, **values: object) -> str:
    template = f"""
        {{% extends "base.html.j2" %}}
        {{% from "macros.html.j2" import number, notice, badge, scroll, section_nav %}}
        {{% block main %}}{body}{{% endblock %}}
    """
    return page_environment("qreal_tasks.pages").from_string(template).render({"title": "A page", **values})


def test_the_frame_is_a_page_without_anything_from_outside() -> None:
    text = rendered("<p>x</p>")
    assert text.lstrip().startswith("<!doctype html>")
    assert "default-src 'none'" in text
    assert "width=device-width" in text
    assert not re.search(r"https?://|url\(|@import|<link|src=", text)


@pytest.mark.parametrize(
    "body",
    [
        "{{ result }}",
        "<p title='{{ result }}'></p>",
        "{% call notice('warn', result) %}{{ result }}{% endcall %}",
        "{{ badge(result) }}",
        "{% call scroll(result) %}{{ result }}{% endcall %}",
        "{{ section_nav([('#a', result)]) }}",
    ],
)
def test_what_is_given_is_text(body: str) -> None:
    plain, hostile = (Elements(rendered(body, result=result)).names for result in ("x", HOSTILE))
    assert hostile == plain


def test_data_for_scripts_ends_no_script_element() -> None:
    body = '<script type="application/json" id="data">{{ data | tojson }}</script>'
    text = rendered(body, data={"b": HOSTILE, "a": 1})
    found = re.search(r'id="data">(.*?)</script>', text, flags=re.DOTALL)
    assert found
    assert list(json.loads(found[1]).items()) == [("b", HOSTILE), ("a", 1)]


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="nowhere"):
        rendered("{{ nowhere }}")


def test_undefined_is_never_zero() -> None:
    undefined = Estimate(None, None, None, 3, None)
    assert "N/A" in rendered("{{ number(e.value, e) }}", e=undefined)
    assert [f(None) for f in (decimals, whole, percent)] == ["N/A"] * 3
    assert interval(undefined) == interval(None) == ""
    assert interval(Estimate(0.0, -0.125, 0.25, 3, 0.0)) == "-.125 to .250"


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert write_page(path, "half \ud83d") == len(b"half ?")
    assert path.read_bytes() == b"half ?"
    with pytest.raises(OSError, match="nowhere"):
        write_page(tmp_path / "nowhere" / "page.html", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("key", ["my-key-12345", "a<b>&c'd\"1", "ключ & 1234567"])
def test_a_key_is_found_however_a_page_writes_it(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", key)
    template = page_environment("qreal_tasks.report").from_string(
        "<p>{{ result }}</p><script>{{ result | tojson }}</script>"
    )
    write_page(tmp_path / "page.html", template.render(result=f"bad {key}!"))
    assert (tmp_path / "page.html").read_text() == '<p>bad <key>!</p><script>"bad <key>!"</script>'


def test_backquotes_are_code_and_the_rest_is_text() -> None:
    text = rendered(
        "<p>{{ result | prose }}</p>{% call notice('warn', result) %}{{ result | prose }}{% endcall %}",
        result=f"`mini` {HOSTILE}",
    )
    assert text.count("<code>mini</code>") == 3
    assert "`" not in text
    assert "<script" not in text


def test_one_of_a_thing_is_one() -> None:
    assert (
        rendered("{{ 1 | count('submission') }}, {{ 2 | count('entity', 'entities') }}").count(
            "1 submission, 2 entities"
        )
        == 1
    )
