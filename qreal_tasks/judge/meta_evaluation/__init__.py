"""How far a judge can be trusted: pairs of known rank, and what a second judge says of the same pairs."""
