"""Tables as people and programs write them: CSV, TSV, JSON, JSON lines, Parquet, spreadsheets."""
