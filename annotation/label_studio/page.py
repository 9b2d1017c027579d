"""The labelling page as Label Studio's XML: everything of one entity on one screen, to be answered by keyboard alone.

Nothing is preselected: a Yes or No that is there already anchors whoever reads it. Only texts are drafted.
"""

from __future__ import annotations

from xml.etree import ElementTree

from annotation.merging.votes import DROP_REASONS
from qreal_tasks.benchmark import QUESTIONS, Dimension

YES_KEYS = dict(zip((question.name for question in QUESTIONS), "123456", strict=True))
"""Digits say Yes, the middle row of letters No. The upper row will not do: R takes up a tool of Label Studio."""
NO_KEYS = dict(zip((question.name for question in QUESTIONS), "asdfgh", strict=True))
DROP_KEYS = dict(zip(DROP_REASONS, "zxc", strict=True))

KEYS = "Tab leads to the texts, Shift+Enter leaves one (Tab an empty one); then Ctrl+Enter submits, also just a drop."

ASKED_OF = "All six ask about the entity: \u201cthe picture\u201d and \u201cthe image\u201d are the crop on the left."

IMAGE, CROP, BOX, LABEL, DROP = "image", "crop", "box", "label", "drop"
"""Names of the page's elements; a question has its own name, a description ``<dimension>_description``."""
PART = "part_"
"""What the name of a body part's element begins with; the position in the task's ``parts`` follows."""

_STYLE = """
.lsf-sidepanels { padding: 0 !important; }
.lsf-sidepanels__wrapper, .lsf-tool[aria-label="rectangle-3-point-tool"] { display: none; }
.lsf-menu-header a, .lsf-menu-header button[data-testid="hotkeys-button"] { display: none; }
.qreal input[type=radio] { visibility: hidden; }
.qreal { display: flex; gap: 24px; align-items: flex-start; }
.qreal h4 { font-size: 13px; line-height: 1.3; font-weight: 500; letter-spacing: 0; margin: 0 !important; }
.qreal-see { flex: 1 1 0; min-width: 300px; display: flex; gap: 12px; align-items: flex-start; }
.qreal-crop { flex: 0 0 40%; min-width: 0; }
.qreal-crop img { width: 100%; max-height: 74vh; object-fit: contain; object-position: left top; }
.qreal-whole { flex: 1 1 0; min-width: 180px; }
.qreal-say { flex: 0 0 660px; }
.qreal-row { display: flex; align-items: center; gap: 12px; }
.qreal-row h4 { flex: 0 0 116px; }
.qreal-row .lsf-text-area { flex: 1 1 0; min-width: 0; margin: 4px 0 0 !important; }
.qreal-row .lsf-choices { margin: 0; flex-wrap: nowrap; }
.qreal-question { border-bottom: 1px solid #8883; min-height: 36px; }
.qreal-question h4 { flex: 1 1 0; }
.qreal-question .lsf-choices { flex: 0 0 148px; }
.qreal .lsf-text-area textarea, .qreal .lsf-text-area input { width: 100%; font-size: 13px; line-height: 1.3;
  padding: 3px 8px; min-height: 0; }
.qreal .lsf-text-area textarea { field-sizing: content; max-height: 76px; }
.qreal .lsf-text-area .ant-form, .qreal .lsf-text-area .ant-form-item { width: 100%; margin: 0; }
.qreal-parts { columns: 2; column-gap: 16px; }
.qreal-part { break-inside: avoid; }
.qreal-part h4 { flex-basis: 74px; font-size: 12px; }
.qreal-hint h4 { font-size: 12px; font-weight: 400; opacity: 0.6; margin: 8px 0 0 !important; }
"""
"""What is hidden of Label Studio's own page would only stand between the keys and the texts: a few times Tab leads from
the questions to the first of them. Without ``>``: the text of a Style is taken as it stands in the XML, escaped."""


def build_page(adjudicating: bool = False) -> str:
    """Build the labelling page, as Label Studio takes it.

    Args:
        adjudicating: with what the annotators said above the questions.
    """
    page = ElementTree.Element("View", className="qreal")
    _add(page, "Style").text = _STYLE
    _see(_add(page, "View", className="qreal-see"))
    say = _add(page, "View", className="qreal-say")
    if adjudicating:
        _add(say, "Text", name="votes", value="$votes")
    message = {"required": "true", "requiredMessage": "The entity is … what?"}
    _text(say, LABEL, "The entity is", f"${LABEL}", rows="1", **message)
    questions = _add(say, "View", visibleWhen="choice-unselected", whenTagName=DROP)
    _add(_add(questions, "View", className="qreal-hint"), "Header", size="5", value=ASKED_OF)
    for question in QUESTIONS:
        row = _add(questions, "View", className="qreal-row qreal-question")
        _add(row, "Header", size="5", value=question.text)
        keys = {"Yes": YES_KEYS[question.name], "No": NO_KEYS[question.name]}
        _choices(row, question.name, keys, requiredMessage=f"Not answered: {question.text}", required="true")
    for dimension in Dimension:
        about = "What looks unreal" if dimension is Dimension.REALISM else "What is implausible"
        _text(questions, f"{dimension}_description", about, f"${dimension}_description", rows="2")
    _parts(questions)
    row = _add(say, "View", className="qreal-row")
    _add(row, "Header", size="5", value="Drop it, because")
    _choices(row, DROP, DROP_KEYS, allowNested="false")
    _add(_add(say, "View", className="qreal-hint"), "Header", size="5", value=KEYS)
    return ElementTree.tostring(page, encoding="unicode")


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _see(parent: ElementTree.Element) -> None:
    """The crop beside the whole image with the box, neither higher than the window."""
    crop = _add(parent, "View", className="qreal-crop")
    _add(crop, "HyperText", name=CROP, value="$crop", inline="true")
    whole = _add(parent, "View", className="qreal-whole")
    without = dict.fromkeys(("zoom", "zoomControl", "rotateControl"), "false")
    without |= dict.fromkeys(("brightnessControl", "contrastControl", "gammaControl"), "false")
    size = {"maxWidth": "calc(100% - 48px)", "maxHeight": "74vh"}  # beside it are the tools
    _add(whole, "Image", name=IMAGE, value="$image", **size, **without)
    look = {"strokeColor": "#e11d48", "strokeWidth": "2", "fillColor": "#e11d48", "fillOpacity": "0.04"}
    _add(whole, "Rectangle", name=BOX, toName=IMAGE, canRotate="false", **look)


def _choices(parent: ElementTree.Element, name: str, keys: dict[str, str], **further: str) -> None:
    choices = _add(parent, "Choices", name=name, toName=IMAGE, choice="single-radio", showInline="true", **further)
    for value, key in keys.items():
        _add(choices, "Choice", value=value, hotkey=key)


def _text(parent: ElementTree.Element, name: str, about: str, value: str, rows: str, **further: str) -> None:
    row = _add(parent, "View", className="qreal-row")
    _add(row, "Header", size="5", value=about)
    _area(row, name, value, rows, **further)


def _area(parent: ElementTree.Element, name: str, value: str, rows: str, **further: str) -> None:
    fixed = {"maxSubmissions": "1", "editable": "true", "showSubmitButton": "false"}
    _add(parent, "TextArea", name=name, toName=IMAGE, value=value, rows=rows, **fixed, **further)


def _parts(parent: ElementTree.Element) -> None:
    """One field a body part, where the task lists any."""
    box = _add(parent, "View", className="qreal-parts")
    repeated = _add(box, "Repeater", on="$parts", indexFlag="{{idx}}")
    part = _add(repeated, "View", className="qreal-row qreal-part")
    _add(part, "Header", size="5", value="$parts[{{idx}}].name")
    _area(part, f"{PART}{{{{idx}}}}", "$parts[{{idx}}].text", rows="2")
