"""Run a program that imports `segment_anything` or `mobile_sam` on anymask.

``python -m anymask.compat SCRIPT.py ARGS``, or ``python -m anymask.compat -m MODULE ARGS``.
"""

from __future__ import annotations

import os
import runpy
import sys

from anymask.compat.installing import install, install_for_children

_USAGE = "Usage: python -m anymask.compat SCRIPT.py [ARGS...], or -m MODULE [ARGS...]"


def main() -> None:
    """Run the script or module on the command line, with its arguments, as Python would."""
    arguments = sys.argv[1:]
    as_module = arguments[:1] == ["-m"]
    if as_module:
        arguments = arguments[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(0 if print(_USAGE) is None and arguments else 2)  # noqa: T201
    program = arguments[0]
    if not as_module and not os.path.exists(program):
        sys.exit(f"There is no script {program}; check the path.")
    install(replace=True)
    sys.argv = arguments
    if as_module:
        sys.path.insert(0, os.getcwd())
        install_for_children()
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(program))
        install_for_children()
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
