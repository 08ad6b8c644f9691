"""What the models of a run's JSON files have in common: how they are read, and what is written of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from typing import Self

Phase = TypeVar("Phase", bound="Facts")
Parsed = TypeVar("Parsed")


class Damaged(ValueError):
    """A file is not what its model says; the message names the first wrong place."""


class Facts(BaseModel):
    """An object of a JSON file. Immutable; keys of later releases are kept as they are."""

    model_config = ConfigDict(
        frozen=True, extra="allow", populate_by_name=True, allow_inf_nan=False, protected_namespaces=()
    )

    def content(self) -> dict[str, JsonValue]:
        """Return the JSON object. A key that was never set is absent, so a file that was read is written as it was."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def but(self, **facts: Any) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=facts)

    def then(self, phase: type[Phase], **facts: Any) -> Phase:
        """Return what comes next: all that is known so far, and `facts`, as a `phase`."""
        return phase.model_validate({**self.content(), **facts})


def checked(kind: type[Phase], facts: Mapping[str, object]) -> Phase:
    """Make one of what somebody else says. Raises Damaged, in one line."""
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        raise Damaged(first_wrong(error)) from None


def parse(kind: TypeAdapter[Parsed], content: bytes) -> Parsed:
    """Read the bytes of a JSON file. Numbers are never taken from texts, nor from truth values.

    Raises Damaged, in one line.
    """
    try:
        return kind.validate_json(content, strict=True)
    except ValidationError as error:
        raise Damaged(first_wrong(error)) from None


def first_wrong(error: ValidationError, skip: int = 0) -> str:
    """Name the first wrong place, and what is wrong there. skip: outer parts of the place that say nothing."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][skip:])
    return f"{place}: {first['msg']}" if place else first["msg"]
