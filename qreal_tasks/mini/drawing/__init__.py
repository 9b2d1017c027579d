"""Drawing of planned images: pieces of figures to pixels, backdrop, shadows, and where each entity is."""
