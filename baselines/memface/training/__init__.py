"""Training of MemFace's two stages."""
