"""What a bank keeps of a day's payments, as it was agreed with it."""

from collections.abc import Mapping, Sequence

from models.contracts.reconciliation import FeeBasis, FeeKind, FeeRule
from models.rules.money import BASIS_POINTS, rounded_share


def fee_minor(rule: FeeRule, amounts: Mapping[int, int]) -> int | None:
    """The fee of a registry in tiyn, from how often each sum stands in it; None where only the statement tells it.

    A percentage is of payments less refunds, so a refund returns its part; a fixed sum is for payments alone. Where it
    is reckoned payment by payment, each is rounded for itself.
    """
    if rule.kind is FeeKind.AS_STATEMENT:
        return None
    payments = sum(times for amount, times in amounts.items() if amount > 0)
    if rule.kind is FeeKind.NOTHING or not amounts:
        return 0
    if rule.basis is FeeBasis.REGISTRY:
        gross = sum(amount * times for amount, times in amounts.items())
        return _share(rule, gross) + (rule.fixed_minor if payments else 0)
    return sum(_share(rule, amount) * times for amount, times in amounts.items()) + rule.fixed_minor * payments


def _share(rule: FeeRule, amount_minor: int) -> int:
    return rounded_share(amount_minor, rule.percent_bp, BASIS_POINTS, rule.rounding)


def divided(total_minor: int, weights: Sequence[int]) -> list[int]:
    """A sum divided in proportion to weights, to the tiyn: the parts add up to it.

    Where all weights together are nothing, the last part is the whole.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * (len(weights) - 1) + [total_minor]
    parts, left_minor, left_weight = [], total_minor, whole
    for weight in weights:
        part = left_minor if weight == left_weight else _proportion(left_minor, weight, left_weight)
        parts.append(part)
        left_minor -= part
        left_weight -= weight
    parts[-1] += left_minor
    return parts


def _proportion(amount_minor: int, weight: int, whole: int) -> int:
    if whole == 0:
        return 0
    return rounded_share(amount_minor, weight, whole) if whole > 0 else rounded_share(amount_minor, -weight, -whole)
