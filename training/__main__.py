"""``python -m training CONFIG``, what ``accelerate launch`` and ``torchrun`` start on every process."""

from training.commands import train_app

train_app()
