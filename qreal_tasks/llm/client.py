"""The openai library's client, for batches, files and lists of models; questions go through ``http.py``."""

from __future__ import annotations

from typing import Any

import openai


def openai_client(base_url: str, api_key: str, **options: Any) -> openai.OpenAI:
    """The client of one server. It follows no redirect: the key and uploaded pictures would go along.

    Args:
        options: as ``openai.OpenAI`` takes them.
    """
    http = openai.DefaultHttpxClient(follow_redirects=False)
    return openai.OpenAI(base_url=base_url, api_key=api_key, http_client=http, **options)
