"""Files on disk: whole or absent, locked, limited, and with one-line errors."""
