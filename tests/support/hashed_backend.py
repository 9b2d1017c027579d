"""lmms-eval with one more backend, for tests: answers that differ from sample to sample but not from run to run.

Run as a script, alone or under torchrun; the arguments are those of lmms-eval. Like ``qreal_hf`` will, it gives P(Yes)
as the second string; it needs no GPU in several processes, which the stock backends do.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from accelerate import Accelerator
from lmms_eval.__main__ import cli_evaluate
from lmms_eval.api.model import lmms
from lmms_eval.models import MODEL_REGISTRY_V2
from lmms_eval.models.registry_v2 import ModelManifest


class Hashed(lmms):  # type: ignore[misc]
    is_simple = False

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.accelerator = Accelerator()
        self._rank = self.accelerator.process_index
        self._world_size = self.accelerator.num_processes
        self.device = self.accelerator.device

    def generate_until(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> list[str]:
        _, doc_to_messages, generation, doc_id, task, split = request.args
        content = doc_to_messages(self.task_dict[task][split][doc_id])[0]["content"]
        picture = next(part["url"] for part in content if part["type"] == "image")
        text = "".join(part["text"] for part in content if part["type"] == "text")
        digest = hashlib.sha256(picture.tobytes() + text.encode()).digest()
        if "score_choices" in generation:
            p_yes = digest[0] / 255
            beside = json.dumps({"choices": ["Yes", "No"], "p": [p_yes, 1 - p_yes], "mass": 0.9})
            return ["maybe" if digest[1] < 25 else "Yes" if p_yes > 0.5 else "No", beside]
        boxes = [
            {
                "bbox_2d": [b[0], b[1], b[0] + 10 + b[2], b[1] + 10 + b[3]],
                "label": "dog",
                "description": "odd",
            }
            for b in (digest[at : at + 4] for at in range(0, 4 * (digest[31] % 4), 4))
        ]
        return [json.dumps(boxes)]

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        raise NotImplementedError


if __name__ == "__main__":
    MODEL_REGISTRY_V2.register_manifest(ModelManifest("hashed", chat_class_path=f"{__name__}.Hashed"))
    cli_evaluate()
