# SPDX-License-Identifier: Apache-2.0
"""pypod's modules from one file, which `make install` writes: a third of what the imports of a
command cost is looking for files and opening them.

Without that file, as in a checkout or with pipx, Python's own way serves: it holds nothing but
what the .pyc files hold. Refused: a zip file, since zipimport is slower than directories, and one
large module, since nobody could read it.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

_SIZE = 4
"""Bytes of the magic number, and of the index's size behind it."""


class ModuleFile:
    """A finder and loader of modules (importlib.abc).

    The file is Python's magic number; the size of the index, little-endian; the index, marshalled:
    module to (offset, size, is a package); and the bodies of the .pyc files.
    """

    def __init__(self, path: str, directory: str) -> None:
        """`directory` holds the sources, for tracebacks. Raises OSError, ValueError."""
        self._directory = directory
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        head = os.read(self._fd, 2 * _SIZE)
        if head[:_SIZE] != MAGIC_NUMBER:
            raise ValueError("written by another Python")
        size = int.from_bytes(head[_SIZE:], "little")
        self._index: dict[str, tuple[int, int, bool]] = marshal.loads(os.read(self._fd, size))
        self._begin = len(head) + size

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> object:
        """Return the spec of a module that is in the file, None for others."""
        entry = self._index.get(name)
        if entry is None:
            return None
        package = entry[2]
        where = f"{self._directory}/{name.replace('.', '/')}"
        source = f"{where}/__init__.py" if package else f"{where}.py"
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(where)
        return spec

    def create_module(self, _spec: object) -> None:
        """Leave the making of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """Return the code of a module."""
        offset, size, _package = self._index[name]
        code: CodeType = marshal.loads(os.pread(self._fd, size, self._begin + offset))
        return code


def use(path: str, directory: str) -> None:
    """Import from the file from now on, if there is a good one."""
    try:
        sys.meta_path.insert(0, ModuleFile(path, directory))  # type: ignore[arg-type]
    except (OSError, ValueError, EOFError, TypeError):
        pass


def packed(modules: dict[str, tuple[bool, bytes]]) -> bytes:
    """Return the file for some modules: whether each is a package, and the body of its .pyc."""
    index: dict[str, tuple[int, int, bool]] = {}
    offset = 0
    for name, (package, code) in modules.items():
        index[name] = offset, len(code), package
        offset += len(code)
    head = marshal.dumps(index)
    bodies = b"".join(code for _package, code in modules.values())
    return MAGIC_NUMBER + len(head).to_bytes(_SIZE, "little") + head + bodies
