"""The prompts of the benchmark for harnesses of others: files of them, with pictures and with ids that results keep."""
