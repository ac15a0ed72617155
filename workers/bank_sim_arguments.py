"""What `abonent bank-sim` is told; apart from the simulator, so that the command line starts quickly."""

import argparse
from datetime import date
from decimal import Decimal, InvalidOperation

DIALECTS = ("v1", "osmp", "kaspi")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of the simulated bank."""
    parser.add_argument("--dialect", choices=DIALECTS, default="v1", help="how the bank speaks (v1)")
    parser.add_argument("--bank", default="demo-bank", metavar="CODE", help="which bank of the credentials it is")
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text)

    checking = add("check", "Ask what somebody owes.")
    checking.add_argument("number", metavar="NUMBER", help="IIN; in the other dialects an account number too")
    paying = add("pay", "Report a payment.")
    paying.add_argument("number", metavar="NUMBER", help="account number or IIN")
    paying.add_argument("amount_minor", metavar="SUM", type=minor, help="in tenge, such as 4500 or 4500.50")
    repeating = add("repeat", "Report a payment of this simulator again, as it was.")
    repeating.add_argument("txn_id", metavar="TXN_ID")
    reversing = add("reverse", "Take a payment of this simulator back.")
    reversing.add_argument("txn_id", metavar="TXN_ID")
    storming = add("storm", "Report many payments in parallel, each until it is answered.")
    storming.add_argument("numbers", metavar="NUMBER", nargs="+", help="account numbers or IINs, paid in turn")
    storming.add_argument("--payments", type=positive, default=100, help="how many (100)")
    storming.add_argument("--parallel", type=positive, default=15, help="over how many connections (15)")
    storming.add_argument("--sum", dest="amount_minor", type=minor, default=minor("1"), help="of each (1.00)")
    listing = add("registry", "Print the day's registry as OSMP text; with --send, have the operator reconcile it.")
    listing.add_argument("--date", type=date.fromisoformat, help="the day (today)")
    listing.add_argument("--without", action="append", default=[], metavar="TXN_ID", help="a payment to leave out")
    listing.add_argument("--send", action="store_true", help="send it to the operator")


def minor(text: str) -> int:
    """A sum in tenge as tiyn.

    Raises:
        argparse.ArgumentTypeError: it is no sum that a bank could take.
    """
    try:
        amount = Decimal(text) * 100
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is no sum: write 4500 or 4500.50") from None
    if not amount.is_finite() or amount <= 0 or amount != int(amount):
        raise argparse.ArgumentTypeError(f"{text} is no sum: write 4500 or 4500.50")
    return int(amount)


def positive(text: str) -> int:
    """A number from 1 on.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)
