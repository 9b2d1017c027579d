"""What a server's error means, in the words of many servers: a row is one of its kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qreal_tasks.llm.errors.messages import StatusError, error_in, error_of
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Action, classify_error
from qreal_tasks.llm.errors.waits import named_wait_s
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.text.redaction import redact_keys

KEY = "sk-proj-0123456789"


def openai(message: str, code: str | None = None, type_: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "code": code, "param": param}}


def gemini(status: int, name: str, message: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"error": {"code": status, "message": message, "status": name, "details": list(details)}}]


def quota(quota_id: str, delay: str | None = "26s") -> list[dict[str, Any]]:
    result = "You exceeded your current quota, please check your plan and billing details. Please retry in 26.1s."
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]},
    ]
    if delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return gemini(429, "RESOURCE_EXHAUSTED", result, *details)


TEMPERATURE = {
    "deprecated": (400, openai("`temperature` is deprecated for this model.")),
    "OpenAI's value": (
        400,
        openai("Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is"),
    ),
    "OpenAI's field": (400, openai("Unsupported value", "unsupported_value", param="temperature")),
    "LiteLLM": (400, openai("litellm.UnsupportedParamsError: gpt-5 don't support temperature=0.0. Only temperature=1")),
    "Kimi": (400, openai("invalid temperature: only 1 is allowed for this model")),
    "one value": (422, openai("temperature must be 1")),
    "one value in a mode": (400, openai("temperature may only be set to 1 when thinking is enabled.")),
    "not allowed": (403, openai("You are not allowed to set temperature for this model")),
    "server error": (500, "TypeError: create() got an unexpected keyword argument 'temperature'"),
    "not found": (404, {"detail": "Unknown parameter: temperature"}),
    "FastAPI": (
        422,
        {
            "detail": [
                {"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}
            ]
        },
    ),
    "vLLM": (400, "[{'type': 'extra_forbidden', 'loc': ('body', 'temperature'), 'msg': 'Extra inputs', 'input': 0.0}]"),
    "Volcengine": (400, openai("The parameter `temperature` is not valid: temperature is not supported by this model")),
    "Chinese": (400, openai("该模型不支持 temperature 参数")),
    "through another server": (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": json.dumps(openai("No temperature allowed"))},
            }
        },
    ),
}
LOGPROBS = {
    "OpenAI": (403, openai("You are not allowed to request logprobs from this model")),
    "Gemini": (400, gemini(400, "INVALID_ARGUMENT", "Logprobs is not supported for the current model.")),
    "vision": (400, openai("`logprobs` is not supported in requests using MLLMs")),
    "reasoning": (400, openai("Unsupported parameter: 'logprobs' is not supported with this model.", param="logprobs")),
    "not found": (404, openai("this model does not support top_logprobs")),
    "server error": (500, openai("Invalid argument: logprobs not implemented")),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Argument not supported on this model: logprobs",
        },
    ),
    "behind a colon": (422, {"error": "Parameters not supported by this model: logprobs"}),
    "one token": (400, openai("top_logprobs must be between 0 and 1")),
    "one token, exclusive": (400, openai("top_logprobs: the range is from 0 (inclusive) to 2 (exclusive)")),
    "none allowed": (400, openai("Requested sample logprobs of 20, which is greater than max allowed: 0")),
}


@pytest.mark.parametrize("name", TEMPERATURE)
def test_a_refused_temperature_is_learned(name: str) -> None:
    learned = RequestOptions().without_rejected(error_of(*TEMPERATURE[name]))
    assert learned is not None
    assert learned.options == RequestOptions(temperature=None)
    assert "rejects `temperature`" in learned.notice


@pytest.mark.parametrize("name", LOGPROBS)
def test_refused_log_probabilities_are_learned(name: str) -> None:
    learned = RequestOptions().without_rejected(error_of(*LOGPROBS[name]))
    assert learned is not None
    assert learned.options == RequestOptions(top_logprobs=None)


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        ("Requested sample logprobs of 20, which is greater than max allowed: 10", 10),
        ("Invalid value for 'top_logprobs': must be between 0 and 5", 5),
        ("top_logprobs: Input should be less than or equal to 8", 8),
        ("top_logprobs must be less than 6", 5),
        ("Invalid 'top_logprobs': integer above maximum value. Expected a value <= 11, but got 20 instead.", 11),
        ("qwen2.5-vl-7b: the range of top_logprobs should be [0, 5]", 5),
        ("top_logprobs cannot exceed 3", 3),
        ("top_logprobs is too large", 5),
        ("a logprobs value of 20 but the supported range is from 1 (inclusive) to 6 (exclusive)", 5),
        ("top_logprobs out of range [0, 11)", 10),
        ("top_logprobs: value should be in (0, 7]", 7),
        ("top_logprobs must be in the range 1 to 8", 8),
        ("top_logprobs must be between 0 and 20 (parameter=top_logprobs, value=25)", 5),
        ("top_logprobs is limited: at least 1, at most 4", 4),
    ],
)
def test_a_limit_that_is_named_is_used_as_named(message: str, allowed: int) -> None:
    learned = RequestOptions().without_rejected(StatusError(400, message))
    assert learned is not None
    assert learned.options == RequestOptions(top_logprobs=allowed)


@pytest.mark.parametrize(
    ("options", "error", "expected"),
    [
        (RequestOptions(seed=1), StatusError(400, "Unrecognized request argument supplied: seed"), RequestOptions()),
        (
            RequestOptions(token_ids=True),
            StatusError(400, "logprob_token_ids: Extra inputs are not permitted"),
            RequestOptions(),
        ),
        (
            RequestOptions(token_ids=True),
            StatusError(400, "logprob_token_ids has 12 entries, which exceeds max_logprobs of 10"),
            RequestOptions(),
        ),
        (
            RequestOptions(),
            StatusError(
                400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            ),
            RequestOptions(token_limit="max_completion_tokens"),
        ),
    ],
)
def test_other_refused_parameters_are_learned(
    options: RequestOptions, error: StatusError, expected: RequestOptions
) -> None:
    learned = options.without_rejected(error)
    assert learned is not None
    assert learned.options == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("A prompt about the temperature of an oven is not supported.")),
        (400, openai("Invalid prompt: 'the temperature is not supported here'")),
        (400, openai('messages.0.content: "Is the seed of the logprobs not allowed?" is too long')),
        (400, openai("This model's maximum context length is 4096 tokens (temperature=0.0, max_tokens=16)")),
        (403, openai("You are not allowed to access this resource; temperature=0.0, logprobs=True")),
        (400, openai("This model's maximum context length is 4096 tokens; given were 5000 (logprobs=True, seed=1)")),
        (429, openai("Rate limit reached for requests with logprobs")),
        (400, openai("max_tokens is too large: 9", param="max_tokens")),
        (400, openai("max_tokens must be less than 4096")),
        (500, openai("internal error", param="temperature")),
        (400, openai("image too small")),
    ],
)
def test_what_is_only_mentioned_is_not_learned(status: int, body: object) -> None:
    assert RequestOptions(seed=1, token_ids=True).without_rejected(error_of(status, body)) is None


FILTERED = {
    "OpenAI": (400, openai("blocked", "content_policy_violation")),
    "Azure": (400, {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    "Azure inside": (400, {"error": {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    "OpenAI, reasoning": (
        400,
        openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"),
    ),
    "DashScope": (400, openai("Input data may contain inappropriate content.", "data_inspection_failed")),
    "DashScope's own form": (400, {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate"}),
    "Volcengine, picture": (400, openai("The request failed", "InputImageSensitiveContentDetected")),
    "Volcengine, text": (400, openai("The request failed", "OutputTextSensitiveContentDetected.SevereViolation")),
    "Zhipu": (400, openai("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301")),
    "OpenRouter": (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["x"]}}}),
    "moderation": (403, openai("flagged by moderation")),
    "a warning about the account": (
        400,
        openai("Your prompt was flagged by moderation. Your account may be suspended if this goes on."),
    ),
    "the project's own picture": (400, openai("Your project's image was flagged by moderation")),
    "words about access": (400, openai("Access to this content has been blocked by our safety system (moderation)")),
    "StepFun": (451, openai("The content you provided or machine outputted is blocked.", "censorship_blocked")),
}


@pytest.mark.parametrize("name", FILTERED)
def test_a_content_filter_is_told_from_a_failure(name: str) -> None:
    status, body = FILTERED[name]
    for error in (error_of(status, body), error_in(body) or error_of(status, body)):
        decision = classify_error(error, "m", "http://host/v1", True)
        assert (decision.action, decision.reason) == (Action.GIVE_UP, CONTENT_FILTER)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, openai("image too small"), "status 400"),
        (400, openai("The text 'is this sensitive content?' is too long"), "status 400"),
        (401, openai("Your account was flagged for moderation"), "key refused"),
        (404, openai("model gpt-content-filter not found"), "unknown model"),
        (400, openai("model names are case-sensitive"), "status 400"),
        (400, openai("The image was flagged as corrupted"), "status 400"),
        (429, openai("Too many moderation requests"), "status 429"),
    ],
)
def test_other_errors_are_no_content_filter(status: int, body: object, reason: str) -> None:
    assert classify_error(error_of(status, body), "m", "http://host/v1", True).reason == reason


STOPS = {
    "per day": (429, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "quota used up"),
    "per day, no wait named": (429, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", None), "quota used up"),
    "OpenAI's quota": (429, openai("You exceeded your current quota", "insufficient_quota"), "quota used up"),
    "OpenAI's quota with a wait": (429, openai("no. Try again in 1s", "insufficient_quota"), "quota used up"),
    "Moonshot": (429, openai("Your account is suspended", None, "exceeded_current_quota_error"), "quota used up"),
    "DashScope": (
        400,
        openai("Access denied, make sure your account is in good state.", "Arrearage"),
        "quota used up",
    ),
    "Anthropic, credit": (
        400,
        openai("Your credit balance is too low to access the API. Please go to Plans & Billing.", "invalid_request"),
        "quota used up",
    ),
    "Anthropic, limit": (
        400,
        openai("You have reached your specified API usage limits. You will regain access on 2026-01-01."),
        "quota used up",
    ),
    "Zhipu, balance": (429, openai("您的账户已欠费，请充值后重试", "1113"), "quota used up"),
    "Zhipu, words": (429, openai("余额不足或无可用资源包,请充值。"), "quota used up"),
    "SiliconFlow": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, "quota used up"),
    "DashScope, free": (
        403,
        openai("The free tier of the model has been exhausted.", "AllocationQuota.FreeTierOnly"),
        "quota used up",
    ),
    "OpenRouter, key": (403, openai("Key limit exceeded (monthly limit)."), "quota used up"),
    "xAI, credits": (
        403,
        {"code": "no permission", "error": "Your team has used all available credits or reached its spending limit."},
        "quota used up",
    ),
    "account flagged": (
        403,
        openai("Your account was flagged for potential abuse. If you feel this is an error, contact us."),
        "access refused",
    ),
    "organisation blocked": (
        400,
        openai("Your organization has been blocked for violating our usage policies.", "access_terminated"),
        "access refused",
    ),
    "by its code": (403, openai("violates our usage policies", "account_deactivated"), "access refused"),
    "project with a name": (
        403,
        openai("The project my-project/42 has been temporarily suspended for harmful content"),
        "access refused",
    ),
    "key": (403, openai("This API key is disabled: violation of the content policy"), "access refused"),
    "we blocked": (403, openai("We have suspended your account: usage policy violation"), "access refused"),
    "you": (403, openai("You have been banned for violating our safety policies"), "access refused"),
    "OpenRouter, pictures": (404, openai("No endpoints found that support image input"), "form refused"),
    "OpenRouter, policy": (404, openai("No endpoints found matching your data policy (Free)"), "form refused"),
    "OpenRouter, parameters": (
        404,
        openai("No endpoints found that can handle the requested parameters."),
        "form refused",
    ),
    "OpenRouter, providers": (
        404,
        openai("No allowed providers are available for the selected model."),
        "form refused",
    ),
    "OpenRouter, model": (404, openai("No endpoints found for foo/bar."), "unknown model"),
    "OpenRouter, name": (400, openai("foo/bar is not a valid model ID"), "unknown model"),
    "Zhipu, model": (400, openai("模型不存在，请检查模型代码。", "1211"), "unknown model"),
    "payment": (402, openai("Insufficient Balance"), "quota used up"),
    "free models per day": (429, openai("Rate limit exceeded: free-models-per-day"), "quota used up"),
    "requests per day, hours": (
        429,
        openai("Rate limit reached on requests per day (RPD). Please try again in 7h12m0s."),
        "quota used up",
    ),
    "a long wait": (429, openai("Please try again in 20m"), "status 429"),
    "Gemini's key": (
        400,
        gemini(
            400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}
        ),
        "key refused",
    ),
    "wrong key": (401, openai("Incorrect API key provided"), "key refused"),
    "redirect": (302, "the server redirects to elsewhere.example", "status 302"),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_no_further_request_can_pass_stops_the_run(name: str) -> None:
    status, body, reason = STOPS[name]
    decision = classify_error(error_of(status, body), "m", "http://host/v1", True)
    assert (decision.action, decision.reason) == (Action.STOP, reason)


@pytest.mark.parametrize(
    ("status", "body", "asked_s"),
    [
        (429, quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), 26),
        (429, quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", None), 26.1),
        (429, quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")[0], 26),
        (429, openai("Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7m12s."), 432),
        (429, openai("Rate limit reached on tokens per min (TPM). Please try again in 850ms. Visit"), 0.85),
        (429, openai("Please try again in 6m3.5s"), 363.5),
        (429, openai("Please retry after 54 seconds."), 54),
        (429, openai("Please wait 1 minute and 30 seconds"), 90),
        (503, openai("loading, try again in 20s"), 20),
        (429, openai("Too many requests: 500 a minute"), None),
        (
            429,
            openai(
                "You exceeded your current quota. For details, see https://host/error-code#token-limit",
                "insufficient_quota",
            ),
            None,
        ),
        (429, openai("Allocated quota exceeded: tokens per minute", "Throttling.AllocationQuota"), None),
        (429, openai("try again later"), None),
    ],
)
def test_a_limit_per_minute_waits_as_long_as_the_body_says(status: int, body: object, asked_s: float | None) -> None:
    error = error_of(status, body)
    assert named_wait_s(error) == (None if asked_s is None else pytest.approx(asked_s))
    decision = classify_error(error, "m", "http://host/v1", True)
    assert (decision.action, decision.busy) == (Action.RETRY, True)
    assert named_wait_s(error_of(status, body, {"retry-after": "3"})) == 3


@pytest.mark.parametrize(
    ("body", "status", "action"),
    [
        ({"error": {"message": "Insufficient credits", "code": 402}}, 402, Action.STOP),
        ({"error": {"message": "no", "code": "402"}}, 402, Action.STOP),
        ([{"error": {"message": "no", "code": 401}}], 401, Action.STOP),
        ({"error": {"message": "slow down", "code": 429}}, 429, Action.RETRY),
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429, Action.RETRY),
        ({"error": {"message": "You are out", "type": "insufficient_quota"}}, 402, Action.STOP),
        ({"error": {"message": "bad key", "type": "authentication_error"}}, 401, Action.STOP),
        ({"error": {"message": "bad picture", "type": "invalid_request_error"}}, 400, Action.GIVE_UP),
        ({"error": "upstream is gone"}, 500, Action.RETRY),
        ({"error": {"message": "Provider returned error", "code": 502}, "choices": []}, 502, Action.RETRY),
        ({"object": "error", "message": "no", "code": 40303}, 500, Action.RETRY),
        ({"error": {"code": -1, "message": "x"}}, 500, Action.RETRY),
    ],
)
def test_an_error_inside_a_200_is_judged_by_its_code(body: object, status: int, action: Action) -> None:
    error = error_in(body)
    assert error is not None
    assert error.status == status
    assert classify_error(error, "m", "http://host/v1", True).action is action


@pytest.mark.parametrize("body", [{"choices": []}, {"error": None, "choices": []}, [], "no", None, {"code": 0}])
def test_other_bodies_hold_no_error(body: object) -> None:
    assert error_in(body) is None


def test_no_control_character_of_a_server_is_shown() -> None:
    assert str(StatusError(400, "bad \x1b[31mred\u202e\ntext\ud83d")) == "400: bad [31mred text?"
    assert len(str(StatusError(400, "x" * 999))) == len("400: ") + 200


def test_the_key_is_taken_out_wherever_it_stands() -> None:
    result = {"error": {"message": f"bad {KEY}", KEY: [f"Bearer {KEY}!"]}, "n": 1}
    assert redact_keys(result, KEY) == {"error": {"message": "bad <key>", "<key>": ["Bearer <key>!"]}, "n": 1}
    assert redact_keys("a b%2Fc1234", "a b/c1234") == "a b%2Fc1234"
    assert redact_keys("x+y%2Fc1234567", "y/c1234567") == "x+<key>"
    assert redact_keys("none of them", "none") == "none of them"
