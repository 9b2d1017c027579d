"""Files of every kind in a folder: what can be judged is, the rest has its reason, and none ends a run."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusing import no_permission
from scripted_screening import AnsweringEngine, encode, picture, screened, write_images

from qreal_tasks.files.regular import read_bytes
from qreal_tasks.screening.rows import ScreeningRow, read_rows


def _animated() -> bytes:
    out = io.BytesIO()
    picture(1).save(out, "GIF", save_all=True, append_images=[picture(2)])
    return out.getvalue()


def _pages() -> bytes:
    out = io.BytesIO()
    picture(1).save(out, "TIFF", save_all=True, append_images=[picture(2)])
    return out.getvalue()


def _bomb() -> bytes:
    """A PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(picture(8), "JPEG", exif=exif, quality=95)


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "the file is empty (0 bytes)"),
    "text.png": (b"hello", "no picture (5 bytes"),
    "page.html": (b"<html></html>", "no picture"),
    "program.exe": (b"MZ" + b"\0" * 99, "no picture"),
    "pdf.jpg": (b"%PDF-1.7", "no picture"),
    "cut.png": (encode(picture(2))[:900], "damaged: cannot be decoded to its end"),
    "cut.jpg": (encode(picture(2), "JPEG")[:400], "damaged"),
    "broken.webp": (encode(picture(2), "WEBP")[:200], "damaged"),
    "animated.gif": (_animated(), "animated: 2 frames"),
    "pages.tiff": (_pages(), "several pages: 2"),
    "bomb.png": (_bomb(), "too large: "),
    "large.png": (encode(picture(1, (300, 300))), "too large: 300 x 300 px"),
    "tiny.png": (encode(picture(1, (31, 400))), "too small: 31 x 400 px"),
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a pointer of Git LFS"),
    "heic.jpg": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "a format that is not read (HEIC"),
    "jxl.png": (b"\xff\x0a" + b"\0" * 40, "a format that is not read (JPEG XL"),
    "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
    "table.csv": (b"image,prompt\n", "a table, no picture"),
    "alone.txt": (b"a prompt of nothing", "a prompt file: no picture beside it"),
    "floats.tiff": (encode(Image.fromarray(np.ones((40, 40), np.float32)), "TIFF"), "no 8-bit colours"),
}
USED: dict[str, bytes] = {
    "grey.png": encode(picture(4).convert("L")),
    "palette.gif": encode(picture(5).convert("P"), "GIF"),
    "transparent.png": encode(picture(6).convert("RGBA")),
    "print.jpg": encode(picture(7).convert("CMYK"), "JPEG"),
    "turned.jpg": _turned(),
    "really_a_jpeg.png": encode(picture(9), "JPEG"),
    "no_ending": encode(picture(10)),
    "UPPER.PNG": encode(picture(11)),
    "sixteen.png": encode(Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40)),
    "na\u00efve \u202e<b>;=1+1.png": encode(picture(12)),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ScreeningRow]:
    folder = tmp_path_factory.mktemp("files")
    images = write_images(folder / "images", 2)
    for name, content in {**{name: content for name, (content, _) in REFUSED.items()}, **USED}.items():
        (images / name).write_bytes(content)
    os.mkfifo(images / "pipe.png")
    (images / "nowhere.png").symlink_to(images / "missing.png")
    (images / "folder.png").mkdir()
    (images / os.fsdecode(b"not utf-8 \xff.png")).write_bytes(encode(picture(13)))
    (images / ".hidden.png").write_bytes(encode(picture(14)))
    screened(images, folder / "out", intake={"max_pixels": 50_000})
    return {row["image"]: row for row in read_rows(folder / "out")}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_has_its_reason(rows: dict[str, ScreeningRow], name: str) -> None:
    assert rows[name]["state"] == "refused"
    assert REFUSED[name][1] in str(rows[name]["reason"])
    assert (rows[name]["severity"], rows[name]["entities"]) == (None, [])


def test_what_can_be_used_is_judged_and_nothing_else_is_there(rows: dict[str, ScreeningRow]) -> None:
    for name in USED:
        assert rows[name]["state"] == "judged", (name, rows[name]["reason"])
    assert rows[r"not utf-8 \xff.png"]["state"] == "judged"
    assert "a named pipe" in str(rows["pipe.png"]["reason"])
    assert "no such file" in str(rows["nowhere.png"]["reason"])
    assert len(rows) == len(REFUSED) + len(USED) + 5
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == (40, 48)


def test_a_file_and_a_folder_that_may_not_be_read_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root too, who may read everything."""
    images = write_images(tmp_path / "images", 4)

    def forbid(real: Callable[..., bytes]) -> Callable[..., bytes]:
        def read(path: bytes, most: int | None = None) -> bytes:
            if path.endswith(b"00001.png"):
                raise PermissionError(13, "Permission denied", path)
            return real(path, most)

        return read

    walk = os.walk

    def walk_but(top: bytes, onerror: Callable[[OSError], None]) -> object:
        for path, folders, names in walk(top, onerror=onerror):
            if path.endswith(b"/b"):
                onerror(PermissionError(13, "Permission denied", os.fsdecode(path)))
            else:
                yield path, folders, names

    monkeypatch.setattr("qreal_tasks.intake.files.read_bytes", forbid(read_bytes))
    monkeypatch.setattr("os.walk", walk_but)
    screened(images, tmp_path / "out")
    rows = {row["image"]: row for row in read_rows(tmp_path / "out")}
    assert "Permission denied" in str(rows["a/00001.png"]["reason"])
    assert rows["b"]["reason"] == "the folder cannot be read: Permission denied"
    assert rows["a/00003.png"]["state"] == "judged"


def test_a_table_of_paths_keeps_its_columns(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    table = tmp_path / "images.csv"
    table.write_text(
        "image,prompt,generator,prompt_id\nb/00000.png,a dog,sdxl,p1\na/00001.png,,flux,\n"
        "http://x/y.png,c,,\n,nothing,,\nb/00000.png,again,,p2\n"
    )
    engine = AnsweringEngine()
    screened(table, tmp_path / "out", engine)
    rows = list(read_rows(tmp_path / "out"))
    assert [(row["state"], row["prompt"], row["prompt_id"], row["generator"]) for row in rows] == [
        ("judged", "a dog", "p1", "sdxl"),
        ("judged", None, None, "flux"),
        ("refused", "c", None, None),
        ("refused", "nothing", None, None),
        ("repeated", "again", "p2", None),
    ]
    assert engine.whole_images == 2


def test_what_became_of_prompts_that_are_no_clear_text_is_said(tmp_path: Path) -> None:
    """Cells of a table of another encoding, or of something else than text, are not lost without a word."""
    write_images(tmp_path, 2)
    table = tmp_path / "images.csv"
    table.write_bytes("image,prompt\nb/00000.png,caf\u00e9\na/00001.png,a dog\n".encode("cp1252"))
    lines = list(screened(table, tmp_path / "out").list_lines())
    assert "  note on 1 image: prompt read as Windows-1252" in lines
    table = tmp_path / "images.jsonl"
    table.write_text('{"image": "b/00000.png", "prompt": ["a", "b"]}\n{"image": "a/00001.png", "prompt": "a dog"}\n')
    for _ in range(2):  # also when nothing is left to judge
        lines = list(screened(table, tmp_path / "out 2").list_lines())
        assert "  note on 1 image: prompt is no text" in lines


def test_what_signs_an_address_is_in_no_result(tmp_path: Path) -> None:
    """Tables of signed addresses are common, and pages of results are shared."""
    table = tmp_path / "images.csv"
    table.write_text("image\nhttps://ann:secret-1@bucket.example/a@b/1.png?X-Signature=secret-2#secret-3\n")
    screened(table, tmp_path / "out")
    [row] = read_rows(tmp_path / "out")
    assert row["image"] == "https://bucket.example/a@b/1.png"
    assert "addresses are not fetched" in str(row["reason"])
    for path in filter(Path.is_file, (tmp_path / "out").rglob("*")):
        assert b"secret-" not in path.read_bytes(), path.name


def test_no_place_to_write_is_a_line(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 1)
    (tmp_path / "out").mkdir()
    with no_permission(tmp_path / "out"), pytest.raises(PermissionError):
        screened(images, tmp_path / "out")
