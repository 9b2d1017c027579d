"""``qreal tour``: the whole story on drawn pictures, from a dataset to a leaderboard, with every page it makes."""
