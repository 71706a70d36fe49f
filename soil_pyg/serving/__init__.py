"""The server of a finished run: recommendations over HTTP."""
