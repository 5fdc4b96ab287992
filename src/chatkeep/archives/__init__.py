"""Archives: exports in four forms, and imports of our own archives and of other services'."""
