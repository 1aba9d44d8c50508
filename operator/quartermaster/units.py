"""Quantities as Kubernetes writes them, and as the core counts them.

CPU is counted in millicores, memory in bytes, money in exact fractions of a USD.
"""

import re
from fractions import Fraction

_MULTIPLES: dict[str, int | Fraction] = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 10**3), "": 1,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(
    r"(?P<digits>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+))"
    r"([eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)",
    re.ASCII,
)
"""Source: the grammar in Kubernetes' apimachinery, pkg/api/resource/quantity.go."""


def millicores(quantity: str) -> int:
    """CPU in millicores: `2` is 2000, `500m` is 500.

    Raises:
        ValueError: The text is no quantity.
    """
    return _scaled(quantity, 1000)


def byte_count(quantity: str) -> int:
    """Bytes: `1Gi` is 2^30, `1G` is 10^9; a fraction of a byte is rounded up, as Kubernetes does.

    Raises:
        ValueError: The text is no quantity.
    """
    return _scaled(quantity, 1)


def _scaled(quantity: str, factor: int) -> int:
    parts = _QUANTITY.fullmatch(quantity.strip())
    if parts is None:
        raise ValueError(f"{quantity!r} is not a Kubernetes quantity")
    number = Fraction(f"{parts['digits']}e{parts['exponent'] or 0}")
    exact: Fraction = number * Fraction(_MULTIPLES[parts["suffix"] or ""] * factor)
    return -(-exact.numerator // exact.denominator)


def usd(amount: Fraction, digits: int = 4) -> str:
    """An exact amount as a decimal string, rounded half away from zero at the last digit."""
    scaled = (abs(amount) * 10**digits * 2 + 1).__floor__() // 2
    whole, part = divmod(scaled, 10**digits)
    sign = "-" if amount < 0 and scaled else ""
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"


def exact(amount: Fraction) -> str:
    """An amount as a status keeps it: `263/500`, and `3/1` too."""
    return f"{amount.numerator}/{amount.denominator}"


def duration(seconds: float) -> str:
    """A short reading of a duration: `45s`, `3m20s`, `2h05m`, `3d04h`."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m{s % 60:02d}s"
    if s < 86400:
        return f"{s // 3600}h{s % 3600 // 60:02d}m"
    return f"{s // 86400}d{s % 86400 // 3600:02d}h"
