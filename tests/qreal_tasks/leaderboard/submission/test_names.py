"""Names on the board: what is refused because a reader would take it for another name."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from qreal_tasks.leaderboard.submission.manifest import Adapter, Backend, DataInfo, ModelInfo, ShownJudge
from qreal_tasks.leaderboard.submission.names import check_board_name, fold_name, normalize_name
from qreal_tasks.tables.plain_cells import as_plain_cell

REFUSED = {
    "a row of the paper": ("GPT-4o", "reads like 'GPT-4o', a row of the paper"),
    "a footnote": ("GPT-4o\u00b9", "reads like 'GPT-4o'"),
    "a small capital": ("\u0262PT-4o", "reads like 'GPT-4o'"),
    "an Armenian letter": ("GPT-4\u0585", "reads like 'GPT-4o'"),
    "Lisu letters": ("\ua4d6\ua4d1\ua4d4-4o", "reads like 'GPT-4o'"),
    "a bar for a letter": ("|nternVL2.5-8B", "reads like 'InternVL2.5-8B'"),
    "its case": ("gpt-4O", "reads like 'GPT-4o'"),
    "its punctuation": ("GPT 4o.", "reads like 'GPT-4o'"),
    "a digit for a letter": ("GPT-40", "reads like 'GPT-4o'"),
    "a Cyrillic letter": ("GPT-4\u043e", "reads like 'GPT-4o'"),
    "a Cyrillic letter by itself": ("GPT 4 \u043e", "reads like 'GPT-4o'"),
    "a Greek letter": ("Qwen2.5-VL-7B-Instruc\u03c4", "mixes Greek and Latin letters"),
    "full-width letters": ("\uff27\uff30\uff34-4o", "reads like 'GPT-4o'"),
    "mathematical letters": ("\U0001d406\U0001d40f\U0001d413-4o", "reads like 'GPT-4o'"),
    "an accent": ("GPT-4\u00f6", "reads like 'GPT-4o'"),
    "the paper's mark": ("InternVL2.5-8B*", "reads like 'InternVL2.5-8B"),
    "the words beside the paper's rows": ("Ours (reported by the paper, not recomputed)", "only rows of the paper are"),
    "the words in other case": ("Ours, Reported by the Paper", "only rows of the paper are"),
    "stacked accents": ("Z" + "\u0308" * 3 + "algo", "more than 2 marks"),
    "variation selector": ("Model\ufe0f", "U+FE0F, which shows nothing"),
    "blank letter": ("Model\u3164", "U+3164, which shows nothing"),
    "blank of Braille": ("Mo\u2800del", "U+2800, which shows nothing"),
    "Cherokee letters": ("\u13b6\u13e2\u13a2-4\u1d0f", "reads like 'GPT-4o'"),
    "small Cherokee letters": ("\uab86\uabb2\uab7a 4o", "reads like 'GPT-4o'"),
    "a Hebrew letter by itself": ("GPT-4 \u05e1", "reads like 'GPT-4o'"),
    "an Ethiopic letter": ("GPT-4\u12d0", "reads like 'GPT-4o'"),
    "an ideographic zero": ("GPT-4\u3007", "reads like 'GPT-4o'"),
    "half a Korean syllable": ("GPT-4\u3147", "reads like 'GPT-4o'"),
    "a stroke of an ideograph": ("\u4e28nternVL2.5-8B", "reads like 'InternVL2.5-8B'"),
    "nothing but Cyrillic letters": ("\u050d\u0440\u0442-4\u043e", "reads like 'GPT-4o'"),
    "an Arabic digit": ("GPT-\u0664o", "reads like 'GPT-4o'"),
    "a Chinese digit": ("GPT-\u56dbo", "reads like 'GPT-4o'"),
    "a Cyrillic letter for a digit": ("GPT-\u0447\u043e", "reads like 'GPT-4o'"),
    "circled letters": ("\u24bc\u24c5\u24c9-4o", "reads like 'GPT-4o'"),
    "squared letters": ("\U0001f176\U0001f17f\U0001f183-4o", "U+1F176 (negative squared latin capital letter g)"),
    "letters that are struck out": ("G\u0336P\u0336T\u0336-4o", "reads like 'GPT-4o'"),
    "r and n for m": ("llava-v1.6-rnistral-7B", "reads like 'llava-v1.6-mistral-7B'"),
    "two letters swapped": ("GTP-4o", "reads like 'GPT-4o'"),
    "a letter too many": ("Qwen2.5-VL-7B-Instructt", "reads like 'Qwen2.5-VL-7B-Instruct'"),
    "a letter missing": ("InternV2.5-8B", "reads like 'InternVL2.5-8B'"),
    "a wrong letter": ("Intermvl 2.5 8B", "reads like 'InternVL2.5-8B'"),
    "words that make it a row": ("GPT-4o (official result of the paper)", "reads like 'GPT-4o'"),
    "such words in full-width letters": ("GPT-4o (\uff30aper)", "reads like 'GPT-4o'"),
    "other words for the same": ("Ours, as reported in their paper", "only rows of the paper are"),
    "right-to-left override": ("GPT\u202e-5", "U+202E, a control or invisible character"),
    "right-to-left mark": ("GPT\u200f-5", "U+200F, a control or invisible character"),
    "zero-width joiner": ("GPT\u200d-5", "U+200D, a control or invisible character"),
    "a tag": ("GPT-5\U000e0041", "U+E0041, a control or invisible character"),
    "variation selector of the supplement": ("Model\U000e0100", "U+E0100, which shows nothing"),
    "grapheme joiner": ("Mo\u034fdel", "U+034F, which shows nothing"),
    "Korean filler": ("Mo\u115fdel", "U+115F, which shows nothing"),
    "half-width Korean filler": ("Mo\uffa0del", "U+FFA0, which shows nothing"),
    "emoji": ("Model \U0001f917", "U+1F917 (hugging face)"),
    "enclosing mark": ("A\u20dd model", "U+20DD (combining enclosing circle)"),
    "a mark on a blank": ("A \u0301model", "U+0301 (combining acute accent)"),
    "small capitals": ("\u1d0dodel", "U+1D0D (latin letter small capital m)"),
    "a phonetic letter": ("Mode\u026b", "U+026B (latin small letter l with middle tilde)"),
    "a click, which looks like a bar": ("Mode\u01c0", "U+01C0 (latin letter dental click)"),
    "a script of the past": ("\u16a0\u16a2", "U+16A0 (runic letter fehu feoh fe f)"),
    "Thai in a Latin word": ("Model\u0e44\u0e17\u0e22", "mixes Latin and Thai letters"),
    "no letter": ("...", "no letter and no digit"),
}
KEPT = (
    "GPT-4o, qreal_openai",
    "Qwen2.5-VL-7B-Instruct, ours",
    "\u041c\u043e\u0434\u0435\u043b\u044c 7\u0411",
    "\u03b1-VL",
    "\u6a21\u578b 7B",
    "Ti\u1ebfng Vi\u1ec7t",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
    "A paper model",
    "Qwen\u6a21\u578b 7B",
    "\u30e2\u30c7\u30eb\u30fb\u4f50\u3005\u6728\u30fc 7B",
    "\ud55c\uad6d\uc5b4 \ubaa8\ub378",
    "\u0646\u0645\u0648\u0630\u062c 7B",
    "\u05de\u05d5\u05d3\u05dc",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "Stra\u00dfe, \u00c7elik \u00d8re \u0141\u00f3d\u017a",
    "\u6587\u5fc3\u5927\u6a21\u578b",
    "GPT\u6a21\u578b",
    "\u0e42\u0e21\u0e40\u0e14\u0e25",
    "\u05e2\u05d1\u05e8\u05d9\u05ea",
    "\u041b\u044e\u0431\u043b\u044e",
    "Qwen2.5-VL-7B \u2192 SFT",
    "\u00abModel\u00bb \u2264 8B",
    "GPT-4V",
    "GPT-4.1",
    "GPT-4o-mini",
    "InternVL2.5-80B",
    "InternVL3.5-8B",
    "InternVL2.5-8B-AWQ",
    "Qwen2.5-VL-72B-Instruct",
    "llava-v1.5-mistral-7B",
    '<b> & "quotes" = 1 | 2',
)
FIELDS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "the model": (ModelInfo, {"name": ""}),
    "its revision": (ModelInfo, {"name": "org/model", "revision": ""}),
    "the adapter": (Adapter, {"name": ""}),
    "the backend": (Backend, {"name": "", "project": "1.0"}),
    "the data": (DataInfo, {"name": "", "fingerprints": {"objectqa": "0" * 64}}),
    "the judge": (ShownJudge, {"name": "", "model": "m"}),
    "the judge's model": (ShownJudge, {"name": "n", "model": ""}),
}
NOT_SHOWN = {
    "Cyrillic among Latin letters": ("org/m\u043edel", "mixes Cyrillic and Latin letters"),
    "invisible": ("org/mo\u200bdel", "U+200B"),
    "blank": ("org/mo\u2800del", "U+2800"),
    "emoji": ("org/\U0001f917", "U+1F917"),
}


@pytest.mark.parametrize(("name", "message"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_reads_like_another_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_board_name(name)


@pytest.mark.parametrize("name", KEPT)
def test_other_names_are_kept(name: str) -> None:
    assert check_board_name(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("name", "message"), NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_every_name_on_a_board_is_held_to_the_same(field: str, name: str, message: str) -> None:
    kind, values = FIELDS[field]
    given = {key: value or name for key, value in values.items()}
    with pytest.raises(ValidationError, match=re.escape(message)):
        kind.model_validate_json(json.dumps(given))


@pytest.mark.parametrize("hyphen", ["\u2010", "\u2011", "\u2012", "\u2212"])
def test_a_hyphen_of_a_word_processor_is_a_hyphen(hyphen: str) -> None:
    assert check_board_name(f"DeepSeek{hyphen}VL2") == ModelInfo(name=f"DeepSeek{hyphen}VL2").name == "DeepSeek-VL2"


def test_a_model_may_be_one_that_the_paper_tried() -> None:
    assert normalize_name("GPT-4o") == ModelInfo(name="\uff27PT-4o").name == "GPT-4o"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good model", "good-MODEL."),
        ("Good model 10", "Good model lO"),
        ("Good model", "G\u043e\u043ed model"),
        ("Modern", "Modem"),
        ("Caf\u00e9", "Cafe"),
    ],
)
def test_what_a_reader_takes_for_one_name_has_one_reading(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Model 7B", "Model 72B"), ("\u6a21\u578b", "\u7cfb\u7edf"), ("A 2", "A 3")]
)
def test_other_names_have_other_readings(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" =1+1", " '=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x; @SUM(A1)", "x; '@SUM(A1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x,\uff0b1", "x,'\uff0b1"),
        ("x|-2", "x|'-2"),
        ("\ufeff=1+1", "\ufeff'=1+1"),
        (" \ufeff =1+1", " \ufeff '=1+1"),
        ('"=1+1', "\"'=1+1"),
        ('x;"=1+1', "x;\"'=1+1"),
        ("x\n=1+1", "x\n'=1+1"),
        ("x\r\n@SUM(A1)", "x\r\n'@SUM(A1)"),
        ("x\t=1+1", "x\t'=1+1"),
        ("x;;+1", "x;;'+1"),
        ("\u3000=1", "\u3000'=1"),
        ("\ufe62" + "1", "'\ufe62" + "1"),
        ("\u2212" + "1", "'\u2212" + "1"),
        ("\t-1", "\t'-1"),
        ("two\nlines", "two\nlines"),
        ("Qwen2.5-VL-7B", "Qwen2.5-VL-7B"),
        ("a; b, c", "a; b, c"),
    ],
)
def test_no_cell_of_any_spreadsheet_is_a_formula(text: str, cell: str) -> None:
    assert as_plain_cell(text) == cell
