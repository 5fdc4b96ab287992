"""HTTP/1.1 to a provider, straight on asyncio."""
