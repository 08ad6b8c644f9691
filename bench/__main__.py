"""`python -m bench`."""

import sys

try:
    from bench.cli.main import main

    main()
except KeyboardInterrupt:  # while modules are loaded, or a second time while a run is being closed
    print("stopped by Ctrl-C", file=sys.stderr)
    sys.exit(130)
except MemoryError:  # while modules are loaded, or for the line that says so
    print("stopped: out of memory", file=sys.stderr)
    sys.exit(1)
