"""LoRA fine-tuning of vision-language models on Q-Real."""
