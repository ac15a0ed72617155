"""Numbers that want no SMS, and SMS to numbers of nobody known."""

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
