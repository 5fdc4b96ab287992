"""Archives of other services, each conversation as lines of our own archive. Their answers are claimed."""
