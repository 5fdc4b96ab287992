"""The nouns of a chat, its events, and the log that they make. Pure values."""
