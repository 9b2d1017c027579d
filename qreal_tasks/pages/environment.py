"""The Jinja2 environment that every page is made with, and how a page is written.

environment = page_environment("qreal_tasks.report")
text = environment.get_template("report.html.j2").render(title="A run", rows=rows)
write_page(Path("report.html"), text)
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import escape

from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.pages.numbers import count, decimals, interval, p_value, percent, whole
from qreal_tasks.pages.prose import begin_sentence, mark_code
from qreal_tasks.pages.shapes import place_interval
from qreal_tasks.text.addresses import shown, shown_arguments
from qreal_tasks.text.redaction import own_keys, redact_keys

_FOLDER = "templates"


def page_environment(package: str, folder: str = _FOLDER) -> Environment:
    """Templates of a folder in ``package``, and behind them those that all pages share.

    Everything is escaped, whatever a template is called, and a name that is not given is an error. Filters:
    ``decimals``, ``interval``, ``p_value``, ``percent``, ``whole``; ``count`` puts a number before its noun; ``name``
    and ``arguments`` show a model or a set, and the arguments of a backend, without where they lie; ``prose`` makes
    code of what stands in backquotes, and ``sentence`` begins a text with a capital. Data for scripts goes through
    ``tojson``, which writes ASCII that cannot end a script element::

        <script type="application/json" id="data">{{ rows | tojson }}</script>
    """
    loaders = [PackageLoader(package, folder), PackageLoader("qreal_tasks.pages", _FOLDER)]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimals=decimals, interval=interval, p_value=p_value, percent=percent, whole=whole)
    environment.filters.update(name=shown, arguments=shown_arguments, prose=mark_code, sentence=begin_sentence)
    environment.filters.update(count=count)
    environment.globals.update(place_interval=place_interval, question_of={one.name: one for one in QUESTIONS})
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    return environment


def write_page(path: Path, text: str) -> int:
    """Write a page in one step, so that a reader never sees half of it, and without the user's keys; returns its bytes.

    Half a surrogate pair, which a model may write, has no UTF-8 and becomes a question mark.

    Raises:
        OSError: it cannot be written; an older page is left as it was.
    """
    keys = own_keys()
    as_written = (form for key in keys for form in (str(escape(key)), htmlsafe_json_dumps(key)[1:-1]))
    content = str(redact_keys(text, *keys, *as_written)).encode("utf-8", errors="replace")
    write_whole(path, content)
    return len(content)
