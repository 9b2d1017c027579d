"""The agent of three models (Table 4)."""
