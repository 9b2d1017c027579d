"""Questions to a model behind an OpenAI-compatible server: GPT-4o, vLLM, SGLang and the like.

engine = OpenAIEngine("gpt-4o", prices=load_prices(path, "gpt-4o"))
for index, response in engine.run(requests):
    ...
print(engine.usage, engine.cost())
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from qreal_tasks.models.openai_chat import Asking, ChatClient, check, is_number, is_whole
from qreal_tasks.models.openai_dialect import Dialect
from qreal_tasks.models.openai_http import short
from qreal_tasks.models.openai_pictures import JPEG_QUALITY, ImageFormat, Pictures, UnsendableImage, by_picture
from qreal_tasks.models.openai_reading import OUT_OF_TOKENS, first_token, read
from qreal_tasks.models.openai_retry import CONTENT_FILTER, Verdict
from qreal_tasks.models.openai_usage import Prices, Usage
from qreal_tasks.models.requests import Request, Response

LOW_MASS = 0.01
"""Below it the first token is hardly ever a choice, and P compares tokens that the model would not say."""

Progress = Callable[[int, int, float | None], None]


class OpenAIEngine:
    """Asks ``concurrency`` requests at a time and yields the answers as they come.

    Args:
        base_url: of the server, with ``/v1``; default ``OPENAI_BASE_URL``, then OpenAI itself.
        api_key: default ``OPENAI_API_KEY``; a server of one's own (``base_url``) needs none.
        logprobs: ask for the probabilities of the first token of requests with ``choices``.
        top_logprobs: how many tokens are listed; OpenAI allows 20.
        timeout_s: of one attempt.
        max_retries: of one request, after time-outs, lost connections, malformed answers, 408, 409, 429 and 5xx. A
            429 does not count while the server answers other requests.
        image_detail: ``low``, ``high`` or ``auto``, as OpenAI defines it; other servers ignore it.
        image_format: ``png`` sends the pixels as they are; ``jpeg`` is smaller and changes what is judged.
        prices: dollars per million tokens, with ``input``, ``output`` and perhaps ``cached_input``.
        first_wait_s: before the first retry; three times as long before each next one, a minute at most, and never
            shorter than the server asks for.
        progress: called with answered, total and the cost so far (None without prices) after every answer.

    Raises:
        StoppedRun: there is no key and OpenAI itself is asked.
        ValueError: an argument is out of range or of another type.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        concurrency: int = 32,
        logprobs: bool = True,
        top_logprobs: int = 20,
        timeout_s: float = 120,
        max_retries: int = 6,
        image_detail: str = "high",
        image_format: ImageFormat = "png",
        prices: Prices | Mapping[str, float] | None = None,
        seed: int | None = None,
        temperature: float | None = 0,
        first_wait_s: float = 0.1,
        progress: Progress | None = None,
    ) -> None:
        check(is_whole(top_logprobs) and 1 <= top_logprobs <= 20, "top_logprobs", top_logprobs, "1 to 20")
        check(temperature is None or is_number(temperature), "temperature", temperature, "a number or None")
        check(seed is None or is_whole(seed), "seed", seed, "a whole number or None")
        check(image_detail in ("low", "high", "auto"), "image_detail", image_detail, "low, high or auto")
        check(image_format in ("png", "jpeg"), "image_format", image_format, "png or jpeg")
        self._client = ChatClient(
            model,
            base_url=base_url,
            api_key=api_key,
            dialect=Dialect(
                "max_tokens",
                top_logprobs if logprobs else None,
                None if temperature is None else float(temperature),  # 0 and 0.0 are one identity
                seed,
            ),
            concurrency=concurrency,
            timeout_s=timeout_s,
            max_retries=max_retries,
            first_wait_s=first_wait_s,
            prices=Prices.of(prices, model) if isinstance(prices, Mapping) else prices,
        )
        self._image_detail, self._image_format = image_detail, image_format
        self._progress = progress

    @property
    def usage(self) -> Usage:
        """Totals since the engine was made."""
        return self._client.usage

    def identity(self) -> dict[str, Any]:
        """Everything that an answer depends on beside the request: what belongs into a cache key. No secret."""
        dialect = self._client.asked_dialect
        return {
            "engine": "openai",
            "form": 1,  # changes with the layout of the message
            "model": self._client.model,
            "base_url": self._client.base_url,
            "temperature": dialect.temperature,
            "seed": dialect.seed,
            "top_logprobs": dialect.top_logprobs,
            "image_detail": self._image_detail,
            "image_format": f"jpeg {JPEG_QUALITY}" if self._image_format == "jpeg" else "png",
        }

    def cost(self) -> float | None:
        """Dollars spent since the engine was made; None when no price is known."""
        return self._client.cost()

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Ask all but those in ``known``, yield (index, response) as the answers come.

        Closing the iterator ends what is under way.

        A request that stays without an answer is yielded with ``unanswered`` saying why.

        Raises:
            StoppedRun: key, model, quota or address make every further request useless.
        """
        places = [index for index in range(len(requests)) if index not in known]
        asked = [requests[index] for index in places]
        pictures = Pictures(asked, self._image_format)
        answers = self._client.run(by_picture(asked), lambda asking, at: self._answer(asking, asked[at], pictures))
        for done, (at, response) in enumerate(answers, start=1):
            if self._progress is not None:
                self._progress(done, len(asked), self.cost())
            yield places[at], response

    async def _answer(self, asking: Asking, request: Request, pictures: Pictures) -> Response:
        try:
            url = await pictures.url(request.image)
        except UnsendableImage as error:
            self.usage.failures["unsendable image"] += 1
            return Response("", request.choices, unanswered=short(str(error)))
        finally:
            pictures.done(request.image)
        outcome = await asking.ask(
            lambda dialect: self._body(request, url, dialect),
            lambda completion, dialect: self._response(request, completion, dialect),
        )
        if not isinstance(outcome, Verdict):
            return outcome
        filtered = outcome.reason == CONTENT_FILTER
        unanswered = CONTENT_FILTER if filtered else short(f"request failed: {outcome.message}")
        return Response("", request.choices, unanswered=unanswered)

    def _body(self, request: Request, url: str, dialect: Dialect) -> dict[str, Any]:
        # The picture goes first: the questions about it then share a prefix that servers cache.
        content = [
            {"type": "image_url", "image_url": {"url": url, "detail": self._image_detail}},
            {"type": "text", "text": request.text},
        ]
        return {
            "model": self._client.model,
            "messages": [{"role": "user", "content": content}],
            **dialect.parameters(request.max_new_tokens, scored=bool(request.choices)),
        }

    def _response(self, request: Request, completion: object, dialect: Dialect) -> Response:
        response = read(completion, request.choices)
        if response.unanswered is not None:
            self.usage.failures[response.unanswered] += 1
            if response.unanswered == OUT_OF_TOKENS:
                allowed = f"{request.max_new_tokens} were allowed"
                advice = "raise max_new_tokens, or turn its reasoning off"
                self._client.notice(f"{OUT_OF_TOKENS}: {allowed}; {advice}", once=OUT_OF_TOKENS)
        elif request.choices and dialect.top_logprobs is not None:
            if first_token(completion) is None:
                self._client.notice("gives no log-probabilities: answers are read from the text, AUC will be empty")
            elif response.mass is not None and response.mass < LOW_MASS:
                self._client.notice("hardly ever begins its answer with a choice: P is unreliable")
        return response
