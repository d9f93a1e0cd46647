"""Numbers of the national register of companies, with the key that a real one has.

Belongs here: SIREN and SIRET. Does not: whose number it is.
"""

from __future__ import annotations


def siren(body: int) -> str:
    """SIREN of which `body` is the first eight digits."""
    return _with_key(f"{body:08d}")


def siret(owner: str, number: int) -> str:
    """SIRET of the `number`th establishment of the company `owner`."""
    return _with_key(f"{owner}{number:04d}")


def miskeyed(text: str) -> str:
    """The same number with its last digit wrong: Luhn's rule tells."""
    return f"{text[:-1]}{(int(text[-1]) + 1) % 10}"


def _with_key(body: str) -> str:
    """`body` and the digit that makes it obey Luhn's rule."""
    digits = [int(d) * (2 if n % 2 == 0 else 1) for n, d in enumerate(reversed(body))]
    return f"{body}{-sum(d // 10 + d % 10 for d in digits) % 10}"
