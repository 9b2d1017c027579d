"""Models on this machine: Grounding DINO finds boxes for names, Q-Eval-Score scores crops."""
