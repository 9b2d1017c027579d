"""What tests that start several training processes need."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

COMPILER = shutil.which("g++") or shutil.which("c++")
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "DS_ACCELERATOR": "cpu",
    # So that ninja, which DeepSpeed builds its operator with, is found beside this interpreter.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
ENVIRONMENT.pop("ACCELERATE_USE_CPU", None)
