"""Picks the fault to report where Pydantic finds several in a file."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

UNKNOWN_KEY = "extra_forbidden"
"""Pydantic's error type for a key that the model does not have."""


def first_fault(error: ValidationError) -> ErrorDetails:
    """Return the most useful of the faults in `error`.

    An unknown key comes before a missing one: it may be the missing key, misspelt.
    """
    faults = error.errors()
    return next((each for each in faults if each["type"] == UNKNOWN_KEY), faults[0])
