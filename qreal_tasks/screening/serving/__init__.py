"""``qreal serve``: the reward behind HTTP, in a process of its own."""
