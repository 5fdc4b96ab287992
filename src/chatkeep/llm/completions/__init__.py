"""The Chat Completions API of OpenAI, which nearly every provider speaks: its requests and its event stream."""
