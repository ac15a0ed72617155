"""What the command line says to a person instead of showing a traceback."""


class PersonMustAct(Exception):  # noqa: N818 - a sentence, not a fault of the program
    """The text says what is wrong and what to do."""
