"""Requests of subscribers: what is wanted, what was said, what each follows, and its clock."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

LANGUAGES = ("ru", "kk", "en")
CHANNELS = ("call", "sms", "office", "email", "chat", "app", "other")
PRIORITIES = ("low", "normal", "high", "urgent")
ROLES = ("operator", "procurement", "accounting", "dispatcher", "installer", "support", "ops", "admin")
TURNS = ("following", "triage", "work", "question", "visit", "closed")
ENDINGS = ("solved", "declined", "rejected", "outage_over", "with_duplicate", "process_done", "cancelled")
TEXTS = ("wish", "question", "answer", "note", "solution", "reopening")
PAUSES = ("question", "following", "closed")
LINKS = ("duplicate", "outage", "started")
LINK_ENDINGS = ("closed_with", "came_to_nothing", "left")


def upgrade() -> None:
    _request()
    _texts()
    _pauses()
    _links()


def _words(column: str, words: tuple[str, ...], name: str, *, nullable: bool = False) -> sa.Column[str]:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
    return sa.Column(column, kind, nullable=nullable)


def _at(column: str, *, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(column, sa.DateTime(timezone=True), nullable=nullable)


def _request() -> None:
    op.create_table(
        "request",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        _words("language", LANGUAGES, "language"),
        _words("channel", CHANNELS, "channel"),
        sa.Column("category", sa.Text(), nullable=False),
        _words("priority", PRIORITIES, "priority"),
        _words("owner", ROLES, "role"),
        _words("turn", TURNS, "turn"),
        sa.Column("turns", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("round", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        _at("asked_until"),
        _words("ended_as", ENDINGS, "request_ending", nullable=True),
        _at("reopen_until"),
        _at("sla_started_at", nullable=False),
        sa.Column("sla_target", sa.Interval(), nullable=False),
        sa.Column("sla_warn_after", sa.Interval(), nullable=False),
        _at("sla_stopped_at"),
        sa.Column("sla_spent", sa.Interval(), server_default=sa.text("'0'::interval"), nullable=False),
        _at("sla_warn_at"),
        _at("sla_due_at"),
        _at("sla_paused_at"),
        _at("sla_warned_at"),
        _at("sla_breached_at"),
        sa.CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name=op.f("ck_request_phone_is_e164")),
        sa.CheckConstraint("(turn = 'closed') = (ended_as IS NOT NULL)", name=op.f("ck_request_closed_for_a_reason")),
        sa.CheckConstraint(
            "(turn = 'closed') = (sla_stopped_at IS NOT NULL)", name=op.f("ck_request_closed_stops_the_clock")
        ),
        sa.CheckConstraint(
            "(turn = 'question') = (asked_until IS NOT NULL)", name=op.f("ck_request_asked_until_some_time")
        ),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_request_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_request")),
    )
    op.create_index("ix_request_phone", "request", ["phone"])
    op.create_index("ix_request_category", "request", ["category"])
    op.create_index(
        "ix_request_owner_open", "request", ["owner", "sla_due_at"], postgresql_where=sa.text("turn <> 'closed'")
    )


def _texts() -> None:
    op.create_table(
        "request_text",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        _words("kind", TEXTS, "text_kind"),
        sa.Column("body", sa.Text(), nullable=False),
        _at("at", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["process_id"], ["request.process_id"], name=op.f("fk_request_text_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_text")),
        sa.UniqueConstraint("process_id", "key", name=op.f("uq_request_text_process_id_key")),
    )


def _pauses() -> None:
    op.create_table(
        "request_pause",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        _words("reason", PAUSES, "pause_reason"),
        _at("began_at", nullable=False),
        _at("ended_at"),
        sa.CheckConstraint("began_at <= ended_at", name=op.f("ck_request_pause_ends_after_it_begins")),
        sa.ForeignKeyConstraint(["process_id"], ["request.process_id"], name=op.f("fk_request_pause_process_id")),
        sa.PrimaryKeyConstraint("process_id", "number", name=op.f("pk_request_pause")),
    )


def _links() -> None:
    op.create_table(
        "request_link",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("follows_id", sa.UUID(), nullable=False),
        _words("kind", LINKS, "link_kind"),
        _at("linked_at", nullable=False),
        _at("ended_at"),
        _words("ended_as", LINK_ENDINGS, "link_ending", nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("process_id <> follows_id", name=op.f("ck_request_link_follows_another")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_as IS NULL)", name=op.f("ck_request_link_ends_for_a_reason")),
        sa.ForeignKeyConstraint(["process_id"], ["request.process_id"], name=op.f("fk_request_link_process_id")),
        sa.ForeignKeyConstraint(["follows_id"], ["process.id"], name=op.f("fk_request_link_follows_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_link")),
    )
    op.create_index(op.f("ix_request_link_process_id"), "request_link", ["process_id"])
    op.create_index(op.f("ix_request_link_follows_id"), "request_link", ["follows_id"])
    op.create_index(
        "uq_request_link_one_at_a_time",
        "request_link",
        ["process_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
