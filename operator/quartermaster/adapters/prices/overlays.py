"""Karpenter's NodeOverlays as domain values.

Source: kubernetes-sigs/karpenter, pkg/apis/v1alpha1/nodeoverlay.go, read 2026-11-25. The API is
alpha: what cannot be read says no price.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from quartermaster.domain.money.price import Operator, Overlay, Requirement

Document = Mapping[str, Any]

PATH = "/apis/karpenter.sh/v1alpha1/nodeoverlays"
_PRICE = re.compile(r"\d{1,9}(\.\d{1,18})?", re.ASCII)
_CHANGE = re.compile(r"(?P<amount>[+-]\d{0,9}\.?\d{1,18})(?P<percent>%)?", re.ASCII)


def overlay(document: Document) -> Overlay:
    """One NodeOverlay; one that Karpenter refuses, or that cannot be read, says no price."""
    name = str(document["metadata"]["name"])
    spec = document.get("spec") or {}
    try:
        requirements = tuple(_requirement(it) for it in spec.get("requirements") or ())
        weight = int(spec.get("weight") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Overlay(name)
    if _is_refused(document):
        return Overlay(name)
    price, change = spec.get("price"), spec.get("priceAdjustment")
    if isinstance(price, str) and _PRICE.fullmatch(price):
        return Overlay(name, requirements, weight, usd_per_hour=Fraction(price))
    found = _CHANGE.fullmatch(change) if isinstance(change, str) else None
    if found is None:
        return Overlay(name, requirements, weight)
    amount = Fraction(found["amount"])
    if found["percent"]:
        return Overlay(name, requirements, weight, factor=max(Fraction(0), 1 + amount / 100))
    return Overlay(name, requirements, weight, change=amount)


def _requirement(told: Document) -> Requirement:
    values = tuple(str(value) for value in told.get("values") or ())
    return Requirement(str(told["key"]), Operator(told["operator"]), values)


def _is_refused(document: Document) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(it.get("type") == "Ready" and it.get("status") == "False" for it in conditions)
