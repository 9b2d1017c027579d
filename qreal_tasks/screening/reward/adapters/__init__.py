"""The reward in the forms that other people's training code calls; their packages need not be installed."""
