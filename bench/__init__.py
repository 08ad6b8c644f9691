"""The harness: runs, metrics, statistics and the command line."""
