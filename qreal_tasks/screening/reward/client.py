"""A reward that a server computes, called as if it were in this process."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from qreal_tasks.screening.reward.image_reward import ImageReward
from qreal_tasks.screening.reward.pixel_batches import read_batch
from qreal_tasks.screening.reward.reward import RewardCounts
from qreal_tasks.text.addresses import is_plain_address
from qreal_tasks.text.redaction import Private, own_keys, redact, redact_keys

if TYPE_CHECKING:
    import httpx2
    from PIL import Image

TOKEN_VARIABLE = "QREAL_SERVE_TOKEN"
_IMAGES_A_REQUEST = 16
_BYTES_A_REQUEST = 2**24
_AT_ONCE = 4
_LONGEST_WAIT_S = 30.0
_LATER = (429, 502, 503, 504)
"""Full; or stopped, or not there yet behind a proxy."""


class RewardServerError(RuntimeError):
    """The server refuses the pictures or the token, fails, or cannot be reached."""


class RemoteReward:
    """The reward of ``qreal serve``, with the call and the records of ``QRealReward``.

    Pictures travel as PNG, which loses nothing; maps are drawn here. A server that is full, or is being started anew,
    is asked again: a picture's reward is the same however often it is asked for. Threads may share it.

    Args:
        url: of the server, such as ``http://127.0.0.1:8000``.
        token: of the server; by default that in the environment variable ``QREAL_SERVE_TOKEN``.
        timeout_s: for the answer to one request.
        patience_s: for which a server that is full or away is asked again.

    Raises:
        ValueError: the address is none, or the token can be none; it is not shown.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 600.0, patience_s: float = 120.0
    ) -> None:
        import httpx2

        if not is_plain_address(url):
            raise ValueError("the url of a reward server is http(s)://host:port, with nothing before or behind")
        self.url, self._patience_s = url.rstrip("/"), patience_s
        token = (token or os.environ.get(TOKEN_VARIABLE) or "").strip()  # a file's has a line break at its end
        if not (token.isascii() and token.isprintable()):
            raise ValueError(f"the token of {self.url} holds what no header can, expected one line of ASCII characters")
        self._keys = own_keys(token) if token else own_keys()
        self._http = httpx2.Client(
            base_url=self.url,
            timeout=httpx2.Timeout(timeout_s, connect=10.0),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            # A proxy of the network knows nothing of this machine.
            trust_env=urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"),
        )
        self.counts = RewardCounts()

    def __call__(self, images: Any, prompts: Sequence[str] | None = None, *, maps: bool = False) -> list[ImageReward]:
        """The reward of every picture, in their order; arguments as ``QRealReward``.

        Raises:
            PictureError: something is no picture, or in another range of values; nothing was sent then.
            ValueError: there is not one prompt for each picture.
            RewardServerError: the server refuses, fails, or cannot be reached for ``patience_s``.
        """
        pictures = read_batch(images)
        if prompts is not None and len(prompts) != len(pictures):
            raise ValueError(f"{len(prompts)} prompts for {len(pictures)} pictures, expected one for each, or None")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = pool.map(self._ask, _share_out(pool.map(_encode, pictures)))
            found = [one for answer in answers for one in answer]
        self.counts.images += len(found)
        self.counts.unanswered += sum(one.reward is None for one in found)
        return [one.with_map() for one in found] if maps else found

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, files: Sequence[bytes]) -> list[ImageReward]:
        reply = self._post(files)
        if reply.status_code == 413:  # its limits are tighter than these requests
            half = len(files) // 2
            return self._ask(files[:half]) + self._ask(files[half:])
        try:
            found = [ImageReward.from_dict(one) for one in reply.json()["rewards"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RewardServerError(
                f"{self.url} answers no rewards ({type(error).__name__}: {error}); is it `qreal serve` of this version?"
            ) from None
        if len(found) != len(files):
            raise RewardServerError(f"{self.url} answers {len(found)} rewards to {len(files)} pictures")
        return found

    def _post(self, files: Sequence[bytes]) -> httpx2.Response:
        """Asked again while the server is full or away; each time a little later."""
        import httpx2

        end, wait = time.monotonic() + self._patience_s, 0.2
        parts = [("images", (f"{number}.png", one, "image/png")) for number, one in enumerate(files, start=1)]
        while True:
            try:
                reply = self._http.post("/score", files=parts)
            except httpx2.TransportError as error:
                text = redact_keys(f"{type(error).__name__}: {error}", *self._keys)
                trouble, left = f"{self.url} cannot be reached ({text}); start it with `qreal serve`", wait
                if isinstance(error, httpx2.ReadTimeout):
                    raise RewardServerError(f"{self.url} gave no answer in time; give a longer timeout_s") from None
            else:
                if reply.status_code == 200 or (reply.status_code == 413 and len(files) > 1):
                    return reply
                trouble = f"{self.url} answers {reply.status_code}: {self._reason(reply)}"
                if reply.status_code not in _LATER:
                    raise RewardServerError(trouble)
                left = _seconds(reply.headers.get("Retry-After"), wait)
            if time.monotonic() + left > end:
                raise RewardServerError(f"{trouble}; asked for {self._patience_s:g} s")
            time.sleep(left)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _reason(self, reply: httpx2.Response) -> str:
        try:
            text = str(reply.json()["error"])
        except (KeyError, TypeError, ValueError):
            text = reply.text
        return str(redact(redact_keys(text[:500], *self._keys), [Private.KEY]))


def _encode(picture: Image.Image) -> bytes:
    """As PNG; level 1 is several times faster than others and hardly larger for photographs."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _share_out(files: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Requests that are neither too many pictures nor too large."""
    batch: list[bytes] = []
    for one in files:
        if batch and (len(batch) == _IMAGES_A_REQUEST or sum(map(len, batch)) + len(one) > _BYTES_A_REQUEST):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _seconds(told: str | None, otherwise: float) -> float:
    return min(float(told), _LONGEST_WAIT_S) if told and told.isdecimal() else otherwise
