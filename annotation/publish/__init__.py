"""From drafts and votes to the dataset: a folder in hub layout, and its way to the hub."""
