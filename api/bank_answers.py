"""What the dialects' answers have in common."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter

from activities.customer_lookup import FoundCustomer
from api.problems import Problem
from models.contracts.bank import PaymentAnswer
from models.contracts.banks import ShownField, ShownValue

_results = Counter(
    "abonent_bank_results_total", "Answers to banks, by the dialect's result code", ["dialect", "result"]
)


def count_result(dialect: str, result: int) -> None:
    """One more of these answers on /metrics: the HTTP status says little in these dialects."""
    _results.labels(dialect, result).inc()


def decimal(amount_minor: int) -> str:
    """A sum as the dialects write it: a dot and always two decimals."""
    whole, tiyn = divmod(amount_minor, 100)
    return f"{whole}.{tiyn:02d}"


def receipt_number(answer: PaymentAnswer) -> str:
    """Our number of the payment, as digits alone: up to 19 of them."""
    return str(int(answer.receipt_no.removeprefix("R-")))


def shown(found: FoundCustomer, fields: Sequence[ShownField]) -> list[tuple[str, str]]:
    """What the payer is shown: titles and texts."""
    texts = {
        ShownValue.NAME: found.name_masked,
        ShownValue.ACCOUNT_NO: ", ".join(account.account_no for account in found.accounts),
        ShownValue.DEBT: decimal(found.debt_minor),
    }
    return [(field.title, texts[field.value]) for field in fields]


def comment_on(problem: Problem, comment: str) -> str:
    """The comment, with the parameters that are to be mended."""
    parameters = ", ".join(error.field for error in problem.errors)
    return f"{comment}: {parameters}" if parameters else comment


def parameter_docs(**parameters: str) -> dict[str, Any]:
    """Parameters that an endpoint reads by itself, for the OpenAPI document."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": meaning, "schema": {"type": "string"}}
            for name, meaning in parameters.items()
        ]
    }
