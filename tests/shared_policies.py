"""Policies of the databases that test modules share: whatever a module sets ends with it.

Else the next module of the same pytest process, which differs from run to run, would live under the operator's wishes
of another one.
"""

from sqlalchemy import select

from api.policies import POLICIES
from models.database import Database
from models.tables.catalogue import Policy

SHARED: list[Database] = []
"""The databases that outlive a module."""


def back_to_defaults() -> None:
    """Where the newest version of a policy differs from its defaults, add a version that does not."""
    for database in SHARED:
        with database.transaction() as session:
            for code, kind in POLICIES.items():
                versions = select(Policy).where(Policy.code == code).order_by(Policy.version.desc()).limit(1)
                newest, defaults = session.scalar(versions), kind().model_dump(mode="json")
                if newest is not None and newest.body != defaults:
                    session.add(Policy(code=code, version=newest.version + 1, body=defaults, created_by="test"))
