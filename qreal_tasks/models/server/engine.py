"""Questions to a model behind an OpenAI-compatible server: GPT-4o, vLLM, SGLang and the like.

engine = OpenAIEngine("gpt-4o", prices=load_prices(path, "gpt-4o"))
for index, response in engine.run(requests):
    ...
print(engine.usage, engine.cost())
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.llm.arguments import check, is_number, is_whole
from qreal_tasks.llm.chat import ChatClient, ChatSession
from qreal_tasks.llm.completions import OUT_OF_TOKENS, read_completion
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, RetryDecision, StoppedRun
from qreal_tasks.llm.logprobs import NOT_GIVEN
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.llm.outage import OUTAGE_S
from qreal_tasks.llm.usage import Prices, Usage
from qreal_tasks.models.families import find_family_by_name, find_named_family
from qreal_tasks.models.requests import REQUEST_FAILED, Request, Response, identify_reading
from qreal_tasks.models.server.pictures import JPEG_QUALITY, ImageFormat, Pictures, UnsendableImage, by_picture
from qreal_tasks.models.server.sizes import Counted, PictureSizes, counted_tokens
from qreal_tasks.models.server.token_ids import TokenIds

Progress = Callable[[int, int, float | None], None]


class OpenAIEngine:
    """A model behind a server; asks ``concurrency`` requests at a time and yields the answers as they come.

    What it records of an answer is in ``requests.Response``; P comes from the log-probabilities of the token where the
    answer stands (``llm/logprobs.py``). Every answer is asked for up to ``max_new_tokens``, whatever others were: with
    fewer tokens "Yes" would be kept of "Yes, or rather no".

    Args:
        base_url, api_key, concurrency, timeout_s, max_retries, first_wait_s, outage_s: as ``ChatClient`` takes them.
        logprobs: ask for the probabilities of the tokens of answers to requests with ``choices``.
        top_logprobs: how many tokens are listed; OpenAI allows 20.
        image_detail: ``low``, ``high`` or ``auto``, as OpenAI defines it; other servers ignore it.
        image_format: ``png`` sends the pixels as they are; ``jpeg`` is smaller and changes what is judged.
        family: of the model (``models/families.py``), where its name does not tell it.
        box_space: that the questions ask boxes in; default what the family was trained to write. In
            ``Space.RESIZED_PIXELS`` pictures are sent in the size that the family's processor would give them, and that
            is reported as ``input_size``.
        min_pixels, max_pixels: of the pictures that the server feeds its model, where they are not the family's own.
        prices: dollars per million tokens, with ``input``, ``output`` and perhaps ``cached_input``.
        progress: called with answered, total and the cost so far (None without prices) after every answer.

    Raises:
        StoppedRun: there is no key and OpenAI itself is asked.
        ValueError: an argument is out of range or of another type, or the family is not known and must be.
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
        family: str | None = None,
        box_space: Space | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        prices: Prices | Mapping[str, float] | None = None,
        seed: int | None = None,
        temperature: float | None = 0,
        first_wait_s: float = 0.1,
        outage_s: float = OUTAGE_S,
        progress: Progress | None = None,
    ) -> None:
        check(is_whole(top_logprobs) and 1 <= top_logprobs <= 20, "top_logprobs", top_logprobs, "1 to 20")
        check(temperature is None or is_number(temperature), "temperature", temperature, "a number or None")
        check(seed is None or is_whole(seed), "seed", seed, "a whole number or None")
        check(image_detail in ("low", "high", "auto"), "image_detail", image_detail, "low, high or auto")
        check(image_format in ("png", "jpeg"), "image_format", image_format, "png or jpeg")
        for name, limit in (("min_pixels", min_pixels), ("max_pixels", max_pixels)):
            check(limit is None or is_whole(limit), name, limit, "a whole number or None")
        kind = find_family_by_name(model) if family is None else find_named_family(family)
        self.box_space = box_space or (kind.box_space if kind else DEFAULT_BOX_SPACE)
        """The space that the questions ask boxes in."""
        self._sizes = PictureSizes.of(self.box_space, kind, min_pixels, max_pixels)
        self._client = ChatClient(
            model,
            base_url=base_url,
            api_key=api_key,
            options=RequestOptions(
                top_logprobs=top_logprobs if logprobs else None,
                temperature=None if temperature is None else float(temperature),  # 0 and 0.0 are one identity
                seed=seed,
                token_ids=True,
            ),
            concurrency=concurrency,
            timeout_s=timeout_s,
            max_retries=max_retries,
            first_wait_s=first_wait_s,
            prices=Prices.of(prices, model) if isinstance(prices, Mapping) else prices,
            outage_s=outage_s,
        )
        self._token_ids = TokenIds(model, self._client.base_url)
        self._image_detail, self._image_format = image_detail, image_format
        self._progress = progress

    @property
    def usage(self) -> Usage:
        """Totals since the engine was made."""
        return self._client.usage

    def identity(self) -> dict[str, Any]:
        """Everything that an answer depends on beside the request: what belongs into a cache key. No secret."""
        options = self._client.asked_options
        return {
            **identify_reading(),
            "engine": "openai",
            "form": 2,  # changes with the layout of the message, and with what is read from an answer
            "model": self._client.model,
            "base_url": self._client.base_url,
            "temperature": options.temperature,
            "seed": options.seed,
            "top_logprobs": options.top_logprobs,
            "image_detail": self._image_detail,
            "image_format": f"jpeg {JPEG_QUALITY}" if self._image_format == "jpeg" else "png",
            "resized": self._sizes.identity(),
        }

    def cost(self) -> float | None:
        """Dollars spent since the engine was made; None when no price is known."""
        return self._client.cost()

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Ask all but those in ``known``, yield (index, response) as the answers come.

        Closing the iterator ends what is under way.

        A request that stays without an answer is yielded with ``unanswered`` saying why.

        Raises:
            StoppedRun: key, model, quota or address make every further request useless, the server is gone or feeds its
                model pictures of another size than is reported, or none of all requests was answered and none in
                ``known`` has been.
        """
        places = [index for index in range(len(requests)) if index not in known]
        asked = [requests[index] for index in places]
        self._check_sizes(self._sizes.probes(asked))
        pictures = Pictures(asked, self._image_format, self._sizes.sent)
        answers = self._client.run(by_picture(asked), lambda session, at: self._answer(session, asked[at], pictures))
        failed = 0
        for done, (at, response) in enumerate(answers, start=1):
            failed += (response.unanswered or "").startswith(REQUEST_FAILED)
            if self._progress is not None:
                self._progress(done, len(asked), self.cost())
            yield places[at], response
        if asked and failed == len(requests):
            raise StoppedRun(
                f"all {failed} requests to {self._client.base_url} failed, the last one with: {response.unanswered}. "
                "See to the server or the settings and start again."
            )

    def _check_sizes(self, probes: Sequence[Request]) -> None:
        """Ask with pictures of two sizes how many tokens they take; whatever else is answered does not matter."""
        if not probes:
            return
        pictures = Pictures(probes, self._image_format, self._sizes.sent)

        async def count(session: ChatSession, at: int) -> Counted | RetryDecision:
            url = await pictures.url(probes[at].image)
            return await session.ask(lambda options: self._body(probes[at], url, options, 1), counted_tokens)

        found = sorted(self._client.run(range(len(probes)), count), key=lambda pair: pair[0])
        counted = [Counted(None, None) if isinstance(one, RetryDecision) else one for _, one in found]
        sizes = [probe.image.size for probe in probes]
        notice = self._sizes.compare(sizes, counted, self._client.base_url)
        if notice is not None:
            self._client.notice(notice)

    async def _answer(self, session: ChatSession, request: Request, pictures: Pictures) -> Response:
        try:
            url = await pictures.url(request.image)
        except UnsendableImage as error:
            self.usage.failures["unsendable image"] += 1
            return Response("", request.choices, unanswered=short(str(error)))
        finally:
            pictures.done(request.image)
        ids = await self._spelling_ids(session, request.choices)
        size = request.image.size

        def body(options: RequestOptions) -> dict[str, Any]:
            scored = bool(request.choices)
            return self._body(request, url, options, request.max_new_tokens, scored=scored, wanted_ids=ids)

        def answered(completion: object) -> Response:
            self._sizes.check(size, counted_tokens(completion), self._client.base_url)
            return self._sizes.reported(read_response(completion, request.choices), size)

        outcome = await session.ask(body, answered)
        if isinstance(outcome, RetryDecision):
            filtered = outcome.reason == CONTENT_FILTER
            unanswered = CONTENT_FILTER if filtered else short(f"{REQUEST_FAILED}: {outcome.message}")
            return Response("", request.choices, unanswered=unanswered)
        self._tell(request, outcome)
        return outcome

    async def _spelling_ids(self, session: ChatSession, choices: tuple[str, ...]) -> Sequence[int]:
        """The tokens whose log-probabilities are asked for by name; none where that is of no use."""
        options = self._client.state.options
        if not choices or options.top_logprobs is None or not options.token_ids:
            return ()
        return await self._token_ids.of(choices, session.server, session.alone)

    def _body(
        self, request: Request, url: str, options: RequestOptions, max_tokens: int, **asked: Any
    ) -> dict[str, Any]:
        # The picture goes first: the questions about it then share a prefix that servers cache.
        content = [
            {"type": "image_url", "image_url": {"url": url, "detail": self._image_detail}},
            {"type": "text", "text": request.text},
        ]
        return options.body(self._client.model, [{"role": "user", "content": content}], max_tokens, **asked)

    def _tell(self, request: Request, response: Response) -> None:
        """Say and count what the user must know of a response."""
        if response.unanswered is not None:
            self.usage.failures[response.unanswered] += 1
            if response.unanswered == OUT_OF_TOKENS:
                allowed = f"{request.max_new_tokens} were allowed"
                advice = "raise max_new_tokens, or turn its reasoning off"
                self._client.notice(f"{OUT_OF_TOKENS}: {allowed}; {advice}", once=OUT_OF_TOKENS)
        elif response.no_p is not None and self._client.state.options.top_logprobs is not None:
            self.usage.without_p[response.no_p] += 1
            if response.no_p == NOT_GIVEN:
                self._client.notice("gives no log-probabilities: answers are read from the text, AUC will be empty")
            else:
                self._client.notice(f"gives answers without P: {response.no_p}")


def read_response(completion: object, choices: tuple[str, ...]) -> Response:
    """The response in a chat completion.

    Raises:
        MalformedAnswer: it is no chat completion, or one that did not end.
        StatusError: it holds an error.
    """
    answer = read_completion(completion, choices)
    found = answer.probabilities
    return Response(answer.text, choices, found.p, found.mass, no_p=found.why_not, unanswered=answer.unanswered)
