"""What an open process has to itself: two billing runs of one month at once are impossible."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("process", sa.Column("sole_key", sa.Text(), nullable=True))
    op.create_index(
        "uq_process_sole_key",
        "process",
        ["sole_key"],
        unique=True,
        postgresql_where="status = 'open' AND sole_key IS NOT NULL",
    )
