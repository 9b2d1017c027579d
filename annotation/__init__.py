"""The pipeline that makes the dataset: from a folder of images to drafted records of realism and plausibility.

Runs without lmms-eval, and without torch unless a local model is asked for. From ``qreal_tasks`` it takes the
definitions (``benchmark``, ``dataset``, ``boxes``) and the torch-free client of OpenAI-compatible servers
(``qreal_tasks.llm``): retries, refusals, prices and batches behave the same for a judge and for an annotator, so they
exist once. The two stages with a local model also take ``qreal_tasks.models.local.weights.loading``, and with it
torch, when they run.

    intake ─► entities ─► detection ─► quality ─► judgment ─┬─► parts ─► merge ─┬─► drafts
                                                            └───────────────────┴─► imageqa, objectqa
"""
