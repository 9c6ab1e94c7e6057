"""The ``anymask`` command: one module a command, each thin over the library."""
