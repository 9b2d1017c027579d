"""What commands share: how they print, show progress, fail and read arguments."""
