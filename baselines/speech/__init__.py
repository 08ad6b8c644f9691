"""What is heard: features of speech for models that are driven by sound, and for lip-sync metrics."""
