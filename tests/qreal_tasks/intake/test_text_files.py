"""Encodings of text files, and prompts made fit to be stored."""

from __future__ import annotations

import codecs

import pytest

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.text_files import decode_text, tidy_prompt

CAFE = "a café by the sea"
RUSSIAN = "кот на столе, вид сверху"


@pytest.mark.parametrize("text", [CAFE, RUSSIAN, "a cat 猫 in ｆｕｌｌ width", "one\r\ntwo\r\n"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"],
)
def test_unicode_is_read_with_and_without_a_mark(text: str, encoding: str) -> None:
    found = decode_text(text.encode(encoding))
    assert (found.text, found.note) == (text, "")


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF32_LE, "utf-32-le")],
)
def test_marks_of_either_byte_order(mark: bytes, encoding: str) -> None:
    assert decode_text(mark + CAFE.encode(encoding)).text == CAFE


def test_what_is_no_utf_8_is_windows_1252_and_said() -> None:
    found = decode_text("“a café” – €5".encode("cp1252"))
    assert (found.text, found.note) == ("“a café” – €5", "read as Windows-1252")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"a dog\0", "a dog", id="padded, even length"),
        pytest.param(b"a dog\0\0", "a dog", id="padded, odd length"),
        pytest.param(b"", "", id="empty"),
        pytest.param("\ufeff".encode("utf-16-le"), "", id="a mark alone"),
    ],
)
def test_nul_bytes_alone_make_no_utf_16(raw: bytes, text: str) -> None:
    assert tidy_prompt(decode_text(raw).text).text == text


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(bytes(range(256)), "no text in UTF-8 or Windows-1252 (byte 129 is 0x81)", id="no text at all"),
        pytest.param(CAFE.encode("utf-16")[:-1], "no text in UTF-16", id="UTF-16 cut within a character"),
        pytest.param(codecs.BOM_UTF8 + b"caf\xe9", "no text in UTF-8 (byte", id="a mark of UTF-8 before other text"),
    ],
)
def test_what_is_no_text_is_said(raw: bytes, reason: str) -> None:
    with pytest.raises(IntakeError) as raised:
        decode_text(raw)
    assert reason in str(raised.value)
    assert "save it as UTF-8" in str(raised.value)


BELOW = "negative prompt and settings below the prompt left out"
SETTINGS = (
    "\nNegative prompt: ugly, bad hands\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512",
    "\r\nSteps: 20, Sampler: Euler a, Seed: 2",
    "\n\nNegative prompt: ugly",
)
"""As the web pages of image generators save them."""


@pytest.mark.parametrize(
    ("text", "tidied", "note"),
    [
        (" a dog \n", "a dog", ""),
        ("\ufeff a dog", "a dog", ""),
        ("a\tdog\nin rain", "a\tdog\nin rain", ""),
        ("a\0 dog\x04", "a dog", "control characters taken out of the prompt"),
        ("a \ufffd dog", "a \ufffd dog", "characters of the prompt were lost before (U+FFFD)"),
        ("dog \ud800", "dog ?", "half a surrogate pair in the prompt is shown as ?"),
        *((f"a dog{below}", "a dog", BELOW) for below in SETTINGS),
        ("Steps: 20 of stone, a dog", "Steps: 20 of stone, a dog", ""),
        ("a sign that says Negative prompt: none", "a sign that says Negative prompt: none", ""),
        ("می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻", ""),
    ],
)
def test_prompts_are_tidied_and_what_is_lost_is_said(text: str, tidied: str, note: str) -> None:
    found = tidy_prompt(text)
    assert (found.text, found.note) == (tidied, note)
