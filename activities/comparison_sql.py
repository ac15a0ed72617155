"""The statements that compare a registry with the books: see `activities.comparison`."""

from typing import Final

from sqlalchemy import text

# What the books have for the bank's day: by the date of each payment and reversal, unless another day was accepted.
EVENTS: Final = """
    SELECT payment.txn_id, payment.amount_minor
    FROM payment LEFT JOIN payment_bank_day AS counted ON counted.payment_id = payment.id AND counted.event = 'taken'
    WHERE payment.bank_id = :bank_id AND payment.source <> 'balance_transfer' AND counted.payment_id IS NULL
      AND (payment.accounting_on = :day_on
           OR (payment.accounting_on IS NULL AND payment.paid_at >= :starts_at AND payment.paid_at < :ends_at))
    UNION ALL
    SELECT payment.txn_id, payment.amount_minor
    FROM payment_bank_day AS counted JOIN payment ON payment.id = counted.payment_id
    WHERE counted.bank_id = :bank_id AND counted.counts_on = :day_on AND counted.event = 'taken'
    UNION ALL
    SELECT payment.txn_id, -payment.amount_minor
    FROM payment
    LEFT JOIN payment_bank_day AS counted ON counted.payment_id = payment.id AND counted.event = 'reversed'
    WHERE payment.bank_id = :bank_id AND payment.source <> 'balance_transfer' AND counted.payment_id IS NULL
      AND payment.reversed_at >= :starts_at AND payment.reversed_at < :ends_at
    UNION ALL
    SELECT payment.txn_id, -payment.amount_minor
    FROM payment_bank_day AS counted JOIN payment ON payment.id = counted.payment_id
    WHERE counted.bank_id = :bank_id AND counted.counts_on = :day_on AND counted.event = 'reversed'
"""
# On which of the bank's days a payment, and its reversal, count.
TAKEN_ON: Final = """
    coalesce((SELECT counts_on FROM payment_bank_day WHERE payment_id = payment.id AND event = 'taken'),
             payment.accounting_on, CAST(payment.paid_at AT TIME ZONE :zone AS date))
"""
REVERSED_ON: Final = """
    coalesce((SELECT counts_on FROM payment_bank_day WHERE payment_id = payment.id AND event = 'reversed'),
             CAST(payment.reversed_at AT TIME ZONE :zone AS date))
"""


def _confirmed(day: str, sign: str) -> str:
    """Whether the registry of another day has a payment of that day (`>`), or its refund (`<`)."""
    return f"""
        EXISTS (SELECT FROM reconciliation AS other
                JOIN bank_registry_row AS line ON line.registry_id = other.registry_id
                WHERE other.bank_id = :bank_id AND other.day_on = {day} AND line.txn_id = payment.txn_id
                  AND line.amount_minor {sign} 0)
    """


# Of a payment whose days are known: another day has it, whose own registry does not.
TAKEN_ELSEWHERE: Final = f"""
    (payment.status <> 'reversed' AND payment.taken_on <> :day_on AND NOT {_confirmed("payment.taken_on", ">")})
"""
REVERSED_ELSEWHERE: Final = f"""
    (payment.status = 'reversed' AND payment.reversed_on <> :day_on AND NOT {_confirmed("payment.reversed_on", "<")})
"""


# Somebody is known by the number that the registry names, and what stands of the transaction is for others; unless the
# bank named them so when it reported the payment.
_MISDIRECTED: Final = """
    EXISTS (
        SELECT FROM (
            SELECT (SELECT id FROM account WHERE account_no = theirs.subscriber) AS account_id,
                   (SELECT id FROM subscriber WHERE iin = theirs.subscriber) AS subscriber_id
        ) AS payee
        WHERE (payee.account_id IS NOT NULL OR payee.subscriber_id IS NOT NULL)
          AND (SELECT bool_and((owner.id = payee.account_id OR owner.subscriber_id = payee.subscriber_id
                                OR payment.named_account_no = theirs.subscriber
                                OR payment.named_iin = theirs.subscriber) IS NOT TRUE)
               FROM payment LEFT JOIN account AS owner ON owner.id = payment.account_id
               WHERE payment.bank_id = :bank_id AND payment.txn_id = theirs.txn_id AND payment.status <> 'reversed')
    )
"""


def _found(one_transaction: str) -> str:
    """The statement that finds the differences of a day; `one_transaction` narrows it to one."""
    return f"""
        WITH theirs AS (
            SELECT txn_id, CAST(sum(amount_minor) AS bigint) AS amount_minor,
                   (array_agg(subscriber ORDER BY amount_minor < 0, line_no))[1] AS subscriber
            FROM bank_registry_row WHERE registry_id = :registry_id {one_transaction}
            GROUP BY txn_id
        ), ours AS (
            SELECT txn_id, CAST(sum(amount_minor) AS bigint) AS amount_minor
            FROM ({EVENTS}) AS event WHERE true {one_transaction}
            GROUP BY txn_id
        ), unequal AS (
            -- One join of both sides, which the database can only do by hash or merge; all else is looked up row by
            -- row: statistics of rows that have just come in would mislead it.
            SELECT coalesce(theirs.txn_id, ours.txn_id) AS txn_id, theirs.amount_minor AS registry_minor,
                   ours.amount_minor AS posted_minor, theirs.subscriber,
                   coalesce(theirs.amount_minor, 0) = coalesce(ours.amount_minor, 0) AS is_misdirected
            FROM theirs FULL JOIN ours ON ours.txn_id = theirs.txn_id
            WHERE coalesce(theirs.amount_minor, 0) <> coalesce(ours.amount_minor, 0)
               OR (theirs.amount_minor > 0 AND {_MISDIRECTED})
        ), known AS (
            SELECT unequal.*, books.*,
                   coalesce(unequal.registry_minor, 0) - coalesce(unequal.posted_minor, 0) AS delta_minor,
                   coalesce((SELECT id FROM account WHERE account_no = unequal.subscriber),
                            (SELECT account.id FROM account JOIN subscriber ON subscriber.id = account.subscriber_id
                             WHERE subscriber.iin = unequal.subscriber ORDER BY account.number LIMIT 1)) AS account_id
            FROM unequal,
            LATERAL (
                SELECT count(*) AS parts,
                       (array_agg(id ORDER BY status = 'reversed', part DESC))[1] AS payment_id,
                       CAST(coalesce(sum(amount_minor) FILTER (WHERE status <> 'reversed'), 0) AS bigint)
                           AS standing_minor,
                       coalesce(sum(amount_minor) FILTER (WHERE was_taken_elsewhere), 0) AS taken_elsewhere_minor,
                       min(taken_on) FILTER (WHERE was_taken_elsewhere) AS taken_elsewhere_on,
                       coalesce(sum(amount_minor) FILTER (WHERE was_reversed_elsewhere), 0)
                           AS reversed_elsewhere_minor,
                       min(reversed_on) FILTER (WHERE was_reversed_elsewhere) AS reversed_elsewhere_on
                FROM (
                    SELECT payment.*, {TAKEN_ELSEWHERE} AS was_taken_elsewhere,
                           {REVERSED_ELSEWHERE} AS was_reversed_elsewhere
                    FROM (
                        SELECT payment.id, payment.part, payment.txn_id, payment.status, payment.amount_minor,
                               {TAKEN_ON} AS taken_on, {REVERSED_ON} AS reversed_on
                        FROM payment WHERE payment.bank_id = :bank_id AND payment.txn_id = unequal.txn_id
                    ) AS payment
                ) AS part
            ) AS books
        ), classified AS (
            SELECT known.*,
                   CASE
                       WHEN is_misdirected THEN 'other_account'
                       WHEN delta_minor > 0 AND coalesce(posted_minor, 0) = 0 AND standing_minor > 0
                            AND taken_elsewhere_minor > 0 THEN 'other_date'
                       WHEN delta_minor < 0 AND reversed_elsewhere_minor = -delta_minor THEN 'other_reversal_date'
                       WHEN parts = 0 AND delta_minor < 0 THEN 'refund_unknown'
                       WHEN parts = 0 AND account_id IS NULL THEN 'unknown_account'
                       WHEN parts = 0 THEN 'missing_here'
                       WHEN registry_minor IS NULL AND posted_minor < 0 THEN 'reversal_unknown_to_bank'
                       WHEN standing_minor + delta_minor < 0 THEN 'refund_unknown'
                       WHEN standing_minor + delta_minor = 0
                            THEN CASE WHEN registry_minor IS NULL THEN 'extra_here' ELSE 'refunded_at_bank' END
                       WHEN standing_minor = 0 THEN 'reversed_here'
                       WHEN delta_minor > 0 AND coalesce(posted_minor, 0) = 0 THEN 'in_two_registries'
                       ELSE 'other_sum'
                   END AS kind
            FROM known
        ), found AS (
            SELECT txn_id, kind, registry_minor, posted_minor, standing_minor, payment_id, subscriber, account_id,
                   CASE kind WHEN 'other_date' THEN taken_elsewhere_on
                             WHEN 'other_reversal_date' THEN reversed_elsewhere_on END AS other_on
            FROM classified
        ), told AS (
            SELECT found.*, concat_ws(' ', kind, coalesce(CAST(registry_minor AS text), '-'),
                                      coalesce(CAST(posted_minor AS text), '-'), standing_minor,
                                      coalesce(subscriber, '-'), coalesce(CAST(other_on AS text), '-')) AS fingerprint
            FROM found
        )
    """  # noqa: S608 - made of the constants above


FIND_ONE: Final = text(f"{_found('AND txn_id = :txn_id')} SELECT * FROM told")  # noqa: S608 - likewise
# A difference that stands as it did stays as it is, open or left; one that doesn't stand any more has vanished.
COMPARE: Final = text(
    f"""
    {_found("")}
    , gone AS (
        UPDATE reconciliation_difference SET status = 'vanished', closed_at = :at
        WHERE reconciliation_id = :reconciliation_id AND status IN ('open', 'left')
          AND (txn_id, fingerprint) NOT IN (SELECT told.txn_id, told.fingerprint FROM told)
    )
    INSERT INTO reconciliation_difference
        (reconciliation_id, txn_id, kind, fingerprint, registry_minor, posted_minor, standing_minor, payment_id,
         subscriber, account_id, other_on, found_at)
    SELECT :reconciliation_id, txn_id, kind, fingerprint, registry_minor, posted_minor, standing_minor, payment_id,
           subscriber, account_id, other_on, :at
    FROM told
    ORDER BY txn_id
    ON CONFLICT (reconciliation_id, txn_id, fingerprint) WHERE status IN ('open', 'left') DO NOTHING
    """  # noqa: S608 - likewise
)
POSTED: Final = text(f"SELECT CAST(coalesce(sum(amount_minor), 0) AS bigint) FROM ({EVENTS}) AS event")  # noqa: S608 - likewise
