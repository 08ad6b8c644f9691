"""The harness: runs, metrics, statistics and the command line."""

import os

# Arrow's own allocator keeps what was freed; the name is read when pyarrow is first imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
