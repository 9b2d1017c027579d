"""``qreal annotate demo``: the whole annotation on drawn scenes, with a scripted language model and scripted people."""
