"""Where stages run: this process, processes of this machine, or Ray; the same shards and the same bytes."""
