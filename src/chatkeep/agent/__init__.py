"""One turn of an assistant: prompt, model, tools. No SQL, no HTTP."""
