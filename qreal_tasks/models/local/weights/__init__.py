"""Models and adapters as they are loaded: from where, onto which device, and on which base."""
