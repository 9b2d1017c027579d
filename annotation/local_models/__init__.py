"""Models on this machine: Q-Eval-Score scores crops."""
