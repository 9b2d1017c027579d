"""Long work as a list of steps, each a few commands in processes of their own, that can be stopped and gone on with."""
