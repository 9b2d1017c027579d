"""How a run stands: done, pending, failed, money."""
