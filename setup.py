"""Compiles the hot modules: those with a ``.pxd`` beside them. Everything else about the build is in pyproject.toml.

The ``.py`` is the only source: the ``.pxd`` only gives types to it (but see ``INLINE``). Without Cython or a C compiler
the build goes on, and the interpreted modules do the same work.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import Extension, setup

PACKAGE = Path(__file__).parent / "litmus"

INLINE = {PACKAGE / "native.pxd"}  # no module of their own: they go into those that use them

FLAGS = ["-O2", "-g0"]  # what -O3 and debugging symbols add is time to compile


def extensions() -> list[Extension]:
    """One optional extension for each module with types."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    types = sorted({*PACKAGE.rglob("*.pxd")} - INLINE)
    typed = [path.relative_to(PACKAGE.parent).with_suffix("") for path in types]
    modules = [
        Extension(".".join(path.parts), [str(path.with_suffix(".py"))], extra_compile_args=FLAGS)
        for path in typed
        if path.name != "__init__"
    ]
    compiled: list[Extension] = cythonize(
        modules,
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        compiler_directives={"language_level": 3, "annotation_typing": False, "embedsignature": False},
    )
    for extension in compiled:
        extension.optional = True  # Cython makes new extensions of those it is given, and forgets this
    return compiled


setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count()}})
