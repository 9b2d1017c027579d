"""The pictures of a request: read within limits, decoded outside of the event loop."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple

from fastapi import Request
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from qreal_tasks.api.pictures import open_picture
from qreal_tasks.images import PictureError
from qreal_tasks.screening.serving.limits import MemoryLease, RequestRefusedError, ServeLimits
from qreal_tasks.text.json_text import load_json

FORMATS = ("PNG", "JPEG", "WEBP")
"""What is decoded; Pillow has decoders that start programs or are seldom tested."""
FIELD = "images"
_JSON = f'JSON such as {{"{FIELD}": ["<a file in base64>", …], "maps": "png"}}'
_EXPECTED = f"a multipart form with files in the field {FIELD!r}, or {_JSON}"

_PIECE_BYTES = 2**18

Maps = Literal["png", "list"]
"""How a map is written: a PNG of 8 bits in base64 (255 is the reward 1), or rows of numbers."""


class Upload(NamedTuple):
    """What a request asks for."""

    pictures: list[Image.Image]
    maps: Maps | None


class _Files(NamedTuple):
    """The files of a request, not decoded."""

    contents: list[bytes]
    maps: Maps | None


class _ScoreRequest(BaseModel):
    images: list[str]
    maps: Maps | None = None


class _ScoreForm(BaseModel):
    maps: Maps | None = None


async def read_upload(request: Request, limits: ServeLimits, lease: MemoryLease) -> Upload:
    """The pictures that a request brings, in RGB.

    Raises:
        RequestRefusedError: with the status 400, 408, 413, 415, 422 or 429 and what is wrong.
        ClientDisconnect: the client left before the end of its body (Starlette's).
    """
    try:
        async with asyncio.timeout(limits.upload_s):
            body = await _read_body(request, limits, lease)
    except TimeoutError:
        raise RequestRefusedError(
            408, f"the body did not arrive within {limits.upload_s:g} s; send less, or over a faster line"
        ) from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        files = await _read_form(request, body, limits)
    elif kind == "application/json":
        files = await asyncio.to_thread(_read_json, body)
    else:
        raise RequestRefusedError(415, f"content type {kind[:80]!r}, expected {_EXPECTED}")
    if not files.contents:
        raise RequestRefusedError(422, f"no images, expected {_EXPECTED}")
    if len(files.contents) > limits.images:
        raise _too_many(len(files.contents), limits)
    opened = await asyncio.to_thread(lambda: [_open(one, at, limits) for at, one in enumerate(files.contents, 1)])
    lease.add(3 * sum(one.width * one.height for one in opened))
    return Upload(await asyncio.to_thread(_decode, opened), files.maps)


async def _read_body(request: Request, limits: ServeLimits, lease: MemoryLease) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limits.body_bytes:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits)
        lease.add(len(part))
        parts.append(part)
    return b"".join(parts)


class _FormParser(MultiPartParser):
    """Keeps files in memory, where the body is already, and tells whether the form was complete: of one that was cut
    off, the library leaves out the part that was under way, and nobody would see that a picture is missing."""

    spool_max_size = 2**40
    has_ended = False

    def on_end(self) -> None:
        self.has_ended = True


async def _read_form(request: Request, body: bytes, limits: ServeLimits) -> _Files:
    async def in_pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), _PIECE_BYTES):
            await asyncio.sleep(0)  # other requests have their turns
            yield body[start : start + _PIECE_BYTES]

    # One file more than allowed, so that most refusals can say how many there are.
    parser = _FormParser(request.headers, in_pieces(), max_files=limits.images + 1, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(None, limits) from None
        raise RequestRefusedError(400, f"no form: {error.message}") from None
    try:
        contents = [await one.read() for one in form.getlist(FIELD) if isinstance(one, UploadFile)]
        fields = {name: value for name, value in form.items() if isinstance(value, str) and value}
    finally:
        await form.close()
    if not parser.has_ended:
        raise RequestRefusedError(400, "the form ends before its last boundary: the upload was cut off; send it again")
    try:
        return _Files(contents, _ScoreForm.model_validate(fields).maps)
    except ValidationError as error:
        raise _unfit(error) from None


def _read_json(body: bytes) -> _Files:
    try:
        asked = _ScoreRequest.model_validate(load_json(body))
    except ValueError as error:
        raise _unfit(error) from None
    contents = []
    for number, text in enumerate(asked.images, start=1):
        try:
            contents.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise RequestRefusedError(422, f"image {number} is not base64: {text[:20]!r}") from None
    return _Files(contents, asked.maps)


def _open(content: bytes, number: int, limits: ServeLimits) -> Image.Image:
    """The picture without its pixels: size and format are in the first bytes."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        size = image.width * image.height
    except Image.DecompressionBombError:
        size = limits.image_pixels + 1
    except Exception:  # decoders raise whatever damaged bytes make them meet
        found = f"{len(content):,} bytes that begin with {content[:8]!r}" if content else "no bytes at all"
        raise RequestRefusedError(422, f"image {number}: {found}, expected {', '.join(FORMATS)}") from None
    if size > limits.image_pixels:
        raise RequestRefusedError(413, f"image {number} has more than {limits.image_pixels:,} pixels; send it smaller")
    return image


def _decode(opened: Sequence[Image.Image]) -> list[Image.Image]:
    pictures = []
    for number, image in enumerate(opened, start=1):
        try:
            pictures.append(open_picture(image))
        except PictureError as error:
            raise RequestRefusedError(422, f"image {number}: {error}") from None
    return pictures


def _unfit(error: Exception) -> RequestRefusedError:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        return RequestRefusedError(422, f"{where}: {first['msg']}; expected {_EXPECTED}")
    return RequestRefusedError(400, f"the body is no JSON, expected {_JSON}")


def _too_many(count: int | None, limits: ServeLimits) -> RequestRefusedError:
    found = "too many images" if count is None else f"{count} images"
    return RequestRefusedError(413, f"{found}, expected at most {limits.images} in a request; send them in several")


def _too_large(limits: ServeLimits) -> RequestRefusedError:
    return RequestRefusedError(
        413, f"the body has more than {limits.body_bytes:,} bytes; send fewer or smaller images in a request"
    )
