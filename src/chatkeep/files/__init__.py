"""Files of users, apart from storage: their names and media types, and reading them in a process of its own."""
