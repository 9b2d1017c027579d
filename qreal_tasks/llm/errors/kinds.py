"""Which kind of error a server's error is: servers share neither codes nor statuses, so each kind is told by the words
that are used for it."""

from __future__ import annotations

import re

from qreal_tasks.llm.errors.messages import StatusError
from qreal_tasks.llm.errors.waits import MAX_NAMED_WAIT_S, named_wait_s

_FILTER_KINDS = re.compile(
    r"content_?policy|content_?filter|data_?inspection|sensitive_?(content|information|words?)|responsibleaipolicy"
    r"|policy_violation|moderation|prohibited_content|censorship|risk_control"
    r"|(^| )(1301|sensitive|image_safety|safety)( |$)",
    re.IGNORECASE,
)
_FILTER_WORDS = re.compile(
    r"\bmoderat(ion|ed)|inappropriate|content[ _](policy|filter|management)|(usage|safety|content) polic(y|ies)"
    r"|safety system|sensitive (content|information|words?|data)|flagged by|input (was|is) flagged"
    r"|violat\w* (\w+ ){0,3}polic|harmful content|(due to|for) safety"
    r"|违规|敏感|不安全",
    re.IGNORECASE,
)
_FILTER_STATUSES = (400, 403, 422, 451)
_WHO = r"(?:accounts?|organi[sz]ations?|projects?|workspaces?|teams?|access|(?:api[ _-]?|your |this )keys?)(?!['’-])"
_SHUT = (
    r"(?:flagged|blocked|banned|suspended|deactivated|disabled|terminated|restricted|revoked|closed|locked|frozen"
    r"|archived)"
)
_IS = r"(?:is|are|was|were|has been|have been|had been)(?:\s+(?:now|\w+ly))?"
_ASKED = r"(?:inputs?|prompts?|requests?|messages?|contents?|texts?|images?|pictures?|outputs?|responses?|data)"
_ACCESS_KINDS = re.compile(
    rf"(^|[ _])(account|organi[sz]ation|project|key|user|access)_?(is_|was_)?{_SHUT}( |$)", re.IGNORECASE
)
_ACCESS_WORDS = re.compile(
    rf"\b{_WHO}(?:\s+(?!{_ASKED}\b)\S*[^\s.,;:!?]){{0,5}}?\s+{_IS}\s+{_SHUT}"
    rf"|\byou\s+{_IS}\s+{_SHUT}"
    rf"|\A\W*(?:your |this |the )?{_WHO}\s+{_SHUT}"
    rf"|\bhave\s+(?:\w+\s+)?{_SHUT}\s+(?:your|this|the)\s+(?:\w+\s+)?{_WHO}",
    re.IGNORECASE,
)
"""Said of who asks and not of what is asked, and of what has happened: "may be suspended" only warns."""
_KEY_KINDS = ("invalid_api_key", "api_key_invalid", "authentication_error", "invalid_authentication_error")
_KEY_WORDS = re.compile(
    r"\b(invalid|incorrect|wrong) api[ -]?key|api[ -]?key (is )?(not valid|invalid|incorrect)", re.I
)
_MODEL_KINDS = ("model_not_found", "invalid_model", "modelnotfound", "invalidendpointormodel.notfound", "1211")
_MODEL_WORDS = re.compile(
    r"model not exist|model.*does not exist|does not exist.*model|\bnot a valid model\b|\bunknown model\b"
    r"|\binvalid model (id|name)\b|模型不存在",
    re.IGNORECASE | re.DOTALL,
)
_FORM_WORDS = re.compile(
    r"\bno (allowed |available )?(endpoints?|providers?)\b.*?\b(that|matching|supports?|available|policy|parameters)\b",
    re.IGNORECASE | re.DOTALL,
)
"""OpenRouter has the model, and nobody who takes such requests for it."""
_QUOTA_KINDS = (
    "insufficient_quota",
    "insufficient_balance",
    "insufficient_credits",
    "exceeded_current_quota_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "payment_required",
    "arrearage",
    "accountoverdueerror",
    "allocationquota.freetieronly",
    "1113",
)
_QUOTA_WORDS = re.compile(
    r"\bbalance is (too low|insufficient|not enough)|\binsufficient (\w+ )?(balance|credits?|funds)\b"
    r"|\breached your (\w+ )?(api )?usage limits?\b|\bkey limit exceeded|\b(out of|used all) (\w+ )?credits\b"
    r"|\bspend(ing)? limit\b|余额不足|欠费",
    re.IGNORECASE,
)
_PER_MINUTE = re.compile(r"#(token|rate)-limit\b|\b(per|a)[ -](second|minute)\b|\((rpm|tpm)\)", re.IGNORECASE)
_PER_DAY = re.compile(
    r"\b(requests|tokens|images)? ?(per|a)[ -]day\b|-per-day\b|\bdaily\b|\((rpd|tpd)\)", re.IGNORECASE
)
_BEHIND_A_PROXY = frozenset({502, 504, *range(520, 525), 530})
"""What proxies answer when the server behind them does not; 520 to 530 are Cloudflare's."""

_SAID = re.compile(r"\b(message|msg|error|detail|raw)['\"]?\s*[:=]\s*\Z", re.IGNORECASE)
_OPENING = re.compile(r"(?<!\w)['\"`]")
_CLOSING = {quote: re.compile(rf"{quote}(?!\w)") for quote in "'\"`"}


def without_quotations(message: str) -> str:
    """A message without what it quotes, where that is more than one word: it may repeat the prompt.

    What another server is quoted to have said stays: ``{"error": {"message": "…"}}`` inside a message.

    >>> without_quotations("bad text 'is it sensitive data?' near `top_p`")
    'bad text … near `top_p`'
    """
    kept, end, never_closed = list[str](), 0, set[str]()
    for opening in _OPENING.finditer(message):
        if opening.start() < end or opening[0] in never_closed:
            continue
        closing = _CLOSING[opening[0]].search(message, opening.end())
        if closing is None:
            never_closed.add(opening[0])
            continue
        start, quoted = opening.start(), message[opening.start() : closing.end()]
        stays = len(quoted.split()) == 1 or _SAID.search(message[max(0, start - 20) : start])
        kept += [message[end:start], quoted if stays else "…"]
        end = closing.end()
    return "".join([*kept, message[end:]])


def is_filtered(error: StatusError) -> bool:
    """Whether the server's filter refuses the question: a decision about this one, which the same question meets again.

    Without a kind of its own, a filter answers 400 or 403 as any bad request or refused key does: only the message
    tells them apart.
    """
    if is_access_refused(error):
        return False
    if _FILTER_KINDS.search(error.kind) and error.status not in (401, 429):
        return True
    words = _FILTER_WORDS.search(without_quotations(error.message))
    return error.status == 451 or (error.status in _FILTER_STATUSES and words is not None)


def is_unknown_model(error: StatusError) -> bool:
    """Whether the server does not have the model, or nothing at this address."""
    if is_form_refused(error):
        return False
    named = _MODEL_WORDS.search(error.message) is not None
    return error.status == 404 or (error.status < 500 and (named or _is_one_of(error, _MODEL_KINDS)))


def is_form_refused(error: StatusError) -> bool:
    """Whether the server has the model and takes no request of the form that all of this run have."""
    return error.status == 404 and _FORM_WORDS.search(without_quotations(error.message)) is not None


def is_quota_used_up(error: StatusError) -> bool:
    """Whether money or an allowance is used up. A limit per minute is not: it passes in the time that it names."""
    if error.status == 402:
        return True
    by_the_day = "perday" in error.kind.casefold() or _PER_DAY.search(error.message) is not None
    passes = _PER_MINUTE.search(error.message) is not None and not by_the_day
    if error.status >= 500 or passes:
        return False
    if _is_one_of(error, _QUOTA_KINDS) or _QUOTA_WORDS.search(without_quotations(error.message)):
        return True
    asked_s = named_wait_s(error)
    if "exceeded your current quota" in error.message.casefold() and asked_s is None:
        return True
    soon = asked_s is not None and asked_s <= MAX_NAMED_WAIT_S and "perday" not in error.kind.casefold()
    return error.status == 429 and by_the_day and not soon


def is_access_refused(error: StatusError) -> bool:
    """Whether the server shuts out who asks: the account, organisation, project or key, whatever is asked."""
    told = _ACCESS_KINDS.search(error.kind) or _ACCESS_WORDS.search(without_quotations(error.message))
    return error.status in _FILTER_STATUSES and told is not None


def is_key_refused(error: StatusError) -> bool:
    """Whether the server does not take the key."""
    if error.status in (401, 403):
        return True
    told = _is_one_of(error, _KEY_KINDS) or _KEY_WORDS.search(error.message) is not None
    return error.status in (400, 422) and told


def is_behind_a_proxy(error: StatusError) -> bool:
    """Whether it is a proxy's answer, for a server that gives none. A 503 that names a wait is the server's own."""
    return error.status in _BEHIND_A_PROXY or (error.status == 503 and named_wait_s(error) is None)


def _is_one_of(error: StatusError, kinds: tuple[str, ...]) -> bool:
    return any(kind in kinds for kind in error.kind.casefold().split())
