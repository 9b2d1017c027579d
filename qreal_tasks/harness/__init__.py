"""The only place that imports lmms_eval: registration, task hooks and the tasks' YAML."""
