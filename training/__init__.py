"""Fine-tuning of vision-language models on Q-Real: LoRA with TRL and PEFT, one model a task (section 4.1)."""
