"""The schema and its history."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def config(url: str) -> Config:
    """Alembic's configuration for one database."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return settings


def upgrade(url: str) -> None:
    """Bring the database to the newest schema; does nothing when it is there already.

    Raises:
        sqlalchemy.exc.OperationalError: the database can't be reached, or a table stays locked for over 10 s.
    """
    command.upgrade(config(url), "head")
