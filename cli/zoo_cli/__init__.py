"""The ``zoo`` command: it parses, calls the library, prints; nothing else."""
