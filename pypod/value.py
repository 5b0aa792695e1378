# SPDX-License-Identifier: Apache-2.0
"""The base of pypod's values: frozen, slotted, compared and shown by content.

`dataclasses` imports `inspect` and costs 10-20 ms on the start-up path (measured), named tuples
compare equal to any tuple of the same length; this file costs nothing and type checkers read it as
a frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, dataclass_transform
else:

    def dataclass_transform(**_kwargs):
        """Stand in for typing's decorator, which only type checkers need."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, eq_default=True)
class ValueType(type):
    """Turns the annotations of a class body into slots; assigned values become defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> ValueType:
        own = tuple(namespace.get("__annotations__", ()))
        defaults: dict[str, Any] = {}
        fields: tuple[str, ...] = ()
        for base in bases:
            fields += getattr(base, "_fields", ())
            defaults.update(getattr(base, "_defaults", {}))
        defaults.update((field, namespace.pop(field)) for field in own if field in namespace)
        namespace["__slots__"] = own
        namespace["_fields"] = fields + own
        namespace["_defaults"] = defaults
        return super().__new__(mcs, name, bases, namespace)


class Value(metaclass=ValueType):
    """A frozen record. Subclasses list annotated fields; a field with a value is optional.

    Defaults are shared between instances, so they must be immutable (tuples, not lists).
    """

    if TYPE_CHECKING:
        _fields: ClassVar[tuple[str, ...]]
        _defaults: ClassVar[dict[str, Any]]
    else:

        def __init__(self, *args, **kwargs):
            fields = self._fields
            if len(args) > len(fields):
                raise TypeError(
                    f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}"
                )
            put = object.__setattr__
            for field, value in zip(fields, args, strict=False):
                if field in kwargs:
                    raise TypeError(f"{type(self).__name__} got {field} twice")
                put(self, field, value)
            defaults = self._defaults
            for field in fields[len(args) :]:
                if field in kwargs:
                    put(self, field, kwargs.pop(field))
                elif field in defaults:
                    put(self, field, defaults[field])
                else:
                    raise TypeError(f"{type(self).__name__} lacks {field}")
            if kwargs:
                raise TypeError(f"{type(self).__name__} has no field {next(iter(kwargs))}")

    def replace(self, **changes: Any) -> Any:
        """Return a copy with the named fields changed."""
        return type(self)(**{**self.as_dict(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields in order of declaration; nested values are not converted."""
        return {field: getattr(self, field) for field in self._fields}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self._fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in self._fields)))

    def __repr__(self) -> str:
        inner = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({inner})"
