"""The Responses API of OpenAI: its requests and its event stream. Nothing is stored there (`store: false`).

Sources: OpenAI's API reference, "Responses" and "Streaming events"; its guide "Reasoning models", encrypted items.
"""
