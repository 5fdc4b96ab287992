"""A turn in the background, written down: claimed, carried, followed, closed, and in the end swept."""
