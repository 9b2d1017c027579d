"""Fine-tuning of vision-language models on Q-Real: LoRA with TRL and PEFT, a model for one task or for several."""
