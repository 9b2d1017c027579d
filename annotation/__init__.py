"""The pipeline that makes the dataset; runs without lmms-eval, and without torch unless a local model is asked for."""
