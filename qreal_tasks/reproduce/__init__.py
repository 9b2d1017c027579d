"""``qreal reproduce``: Tables 1 to 4 of the paper, from the models as released to the tables beside the paper's own."""
