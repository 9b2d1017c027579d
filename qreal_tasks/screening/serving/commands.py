"""The command ``qreal serve``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from qreal_tasks.console.command_line import fail, fail_on
from qreal_tasks.console.terminal import echo

_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


class _Weighting(StrEnum):
    AREA = "area"
    SIDE = "side"
    EQUAL = "equal"


class _Prompts(StrEnum):
    BENCHMARK = "benchmark"
    PAPER = "paper"


def serve_command(
    model: Annotated[
        str, typer.Option(help="Folder or hub id of a model, or its name on --server.", show_default=False)
    ],
    server: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server that has the model, with /v1. Default: the model is on this machine."
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter on --model. Default: none.", show_default=False)] = None,
    box_space: Annotated[
        str | None, typer.Option(help="In which the model writes boxes. Default: its family's.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at. All but loopback need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that requests must bring. Default: $QREAL_SERVE_TOKEN.")
    ] = None,
    sets: Annotated[
        str, typer.Option(help="ImageQA sets to ask, with commas; empty for none.")
    ] = "realism,plausibility",
    detect: Annotated[bool, typer.Option("--detect/--no-detect", help="Ask for sound entities too.")] = True,
    prompts: Annotated[_Prompts, typer.Option(help="Whose prompts.")] = _Prompts.BENCHMARK,
    weighting: Annotated[_Weighting, typer.Option(help="How size weighs in importance.")] = _Weighting.AREA,
    calibration: Annotated[
        Path | None, typer.Option(help="File of `qreal screen calibrate`. Default: none.", show_default=False)
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="File that keeps answers, for the next start too. Default: none.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Such as cuda:1 or cpu; of a model on this machine. Default: a GPU where there is one."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Such as bfloat16; default: that of the weights.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images that are judged together.")] = 16,
    wait_ms: Annotated[float, typer.Option(min=0, help="How long the first of a batch waits for others.")] = 10.0,
    max_images: Annotated[int, typer.Option(min=1, help="Images of a request.")] = 64,
    max_queue: Annotated[int, typer.Option(min=1, help="Images that may wait; more are refused with 429.")] = 256,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Size of a request.")] = 64,
    max_megapixels: Annotated[float, typer.Option(min=0.01, help="Size of an image.")] = 16.8,
) -> None:
    """Serve the reward over HTTP, and a page to drop pictures on.

    \b
    qreal serve --model mini
    curl -F images=@one.png -F images=@two.png http://127.0.0.1:8000/score

    Writes nothing but --store. POST /score takes files (multipart) or JSON with base64 and answers in JSON; /healthz
    and /metrics are for machines, / is for people. Ends with status 0 at Ctrl-C or SIGTERM, after the requests that are
    under way.
    """
    _require_libraries()
    from qreal_tasks.screening.reward.client import TOKEN_VARIABLE
    from qreal_tasks.screening.reward.reward import QRealReward
    from qreal_tasks.screening.serving.app import RewardServer
    from qreal_tasks.screening.serving.limits import ServeLimits
    from qreal_tasks.screening.serving.run import is_loopback, open_socket, serve
    from qreal_tasks.screening.serving.tokens import read_token
    from qreal_tasks.text.addresses import shown

    if server and adapter:
        fail("serve", "--adapter is of a model on this machine; a server has its own name for one with an adapter")
    with fail_on("serve", ValueError, OSError):
        token = read_token(token_file)
        local = is_loopback(host)
        if not local and token is None:
            fail("serve", f"{host} is reached from other machines: give --token-file FILE, or set {TOKEN_VARIABLE}")
        limits = ServeLimits(
            body_bytes=max_megabytes * 2**20,
            images=max_images,
            image_pixels=round(max_megapixels * 1e6),
            queued_images=max_queue,
        )
        opened = open_socket(host, port)
    options: dict[str, Any] = {
        "server": server,
        "base": model if adapter else None,
        "box_space": box_space,
        "store": store,
        "device": device,
        "dtype": dtype,
    }
    with opened, fail_on("serve", ValueError, OSError, ImportError, RuntimeError):
        reward = QRealReward(
            adapter or model,
            sets=[one for one in sets.split(",") if one],
            detect=detect,
            style=prompts.value,
            weighting=weighting.value,
            calibration=calibration,
            batch_size=batch,
            **{name: value for name, value in options.items() if value is not None},
        )
        with reward:
            serving = RewardServer(
                reward,
                name=shown(model),
                token=token,
                limits=limits,
                batch=batch,
                wait_s=wait_ms / 1000,
                only_loopback=local,
            )
            address = f"http://{f'[{host}]' if ':' in host else host}:{opened.getsockname()[1]}"
            asked = " Requests need the token." if token else ""
            ended = serve(
                serving, opened, lambda: echo(f"{shown(model)} is served at {address}.{asked} Ctrl-C ends it.")
            )
    if not ended:
        fail("serve", "requests that were under way could not be ended in time; they had no answer")
    echo("Stopped.")


def _require_libraries() -> None:
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        fail("serve", f"{', '.join(missing)} is missing: pip install 'qreal-bench[screen]'")
