"""Ways in: secrets of our own, and tokens of others."""
