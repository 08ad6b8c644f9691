"""Features of speech, for models driven by sound and for lip-sync metrics."""
