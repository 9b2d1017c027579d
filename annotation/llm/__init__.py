"""Questions about pictures to a language model: prompts, reply forms, requests, the record of every call."""
