"""Training of the networks: losses, data, the resumable loop."""
