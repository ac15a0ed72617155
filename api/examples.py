"""Requests to start from, in the OpenAPI document: by operation, then by what each shows."""

from typing import Any, Final

_ID: Final = "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"
_CREW: Final = {"crew_id": _ID, "starts_at": "2026-11-25T09:00:00+05:00"}
_AMOUNT: Final = {"amount_minor": 500_000, "currency": "KZT"}
_PERSON: Final = {"iin": "880101300014", "full_name": "Сейткали Арман Болатович", "phone": "+7 701 123 45 67"}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "apply_for_connection": {
        "a new subscriber": {
            "subscriber": {**_PERSON, "language": "kk"},
            "premises_id": _ID,
            "tariff_code": "home-100",
            "equipment": ["ont-gpon", "router-ax"],
        },
        "a known subscriber": {"subscriber_id": _ID, "premises_id": _ID, "tariff_code": "home-100"},
    },
    "complete_task": {
        "a delivery came in": {
            "outcome": "delivered",
            "data": {"deliveries": [{"sku": "ont-gpon", "serials": ["HWTC0A1B2C3D"]}]},
        },
        "a crew is assigned": {"outcome": "assigned", "data": _CREW},
        "equipment is mounted": {"outcome": "installed", "data": {"serials": ["HWTC0A1B2C3D"]}},
        "the act is signed": {"outcome": "signed", "data": {"signed_by": "subscriber"}},
        "the money is paid back": {"outcome": "refunded", "data": {"payment_order": "1024"}},
    },
    "cancel_process": {"the subscriber changed their mind": {"reason": "changed their mind"}},
    "reschedule_visit": {"another crew or time": _CREW},
    "register_subscriber": {"a person": {**_PERSON, "language": "ru", "premises_id": _ID}},
    "change_subscriber": {"another number": {"phone": "+7 702 123 45 67"}},
    "take_payment": {
        "by IIN": {
            "txn_id": "20261124000001",
            "iin": "880101300014",
            "amount": _AMOUNT,
            "paid_at": "2026-11-24T10:15:00+05:00",
        },
        "by account number": {
            "txn_id": "20261124000002",
            "account_no": "1000018",
            "amount": _AMOUNT,
            "paid_at": "2026-11-24T10:16:00+05:00",
        },
    },
    "start_billing_run": {
        "a look beforehand": {"period": "2026-11", "dry_run": True},
        "the month's invoices": {"period": "2026-11", "dry_run": False},
    },
    "preview_proration": {
        "a fee from a day on": {
            "fee": {"amount_minor": 650_000, "currency": "KZT"},
            "active": ["2026-11-14", "2026-12-01"],
            "period": "2026-11",
        },
        "another tariff from a day on": {
            "tariff_change": {"from_tariff": "home-100", "to_tariff": "home-500", "on": "2026-11-14"},
            "period": "2026-11",
        },
    },
    "credit_invoice": {
        "the whole invoice": {"reason": "the service was not provided"},
        "a part of it": {
            "amount": {"amount_minor": 120_000, "currency": "KZT"},
            "reason": "three days without service",
        },
        "one line": {
            "lines": [{"line_no": 2, "amount": {"amount_minor": 30_000, "currency": "KZT"}}],
            "reason": "the router was given back",
        },
    },
    "add_price": {
        "dearer from the new year on": {
            "fee": {"amount_minor": 850_000, "currency": "KZT"},
            "valid_from": "2027-01-01",
        }
    },
    "freeze": {"a holiday": {"from": "2026-12-10", "until": "2026-12-25"}},
    "unfreeze": {"back earlier": {"on": "2026-12-20"}},
    "add_discount": {
        "ten percent for half a year": {
            "title": "Друзья",
            "percent": 10,
            "from": "2026-12-01",
            "until": "2027-06-01",
        },
        "a sum a month": {
            "title": "Лояльность",
            "amount": {"amount_minor": 50_000, "currency": "KZT"},
            "from": "2026-12-01",
        },
    },
    "add_charge": {
        "rent of a router": {
            "kind": "equipment",
            "description": "Аренда роутера",
            "amount": {"amount_minor": 90_000, "currency": "KZT"},
            "from": "2026-12-01",
        },
        "something once": {
            "kind": "one_off",
            "description": "Перенос розетки",
            "amount": {"amount_minor": 300_000, "currency": "KZT"},
            "from": "2026-12-03",
        },
    },
    "reverse_payment": {"taken back at the bank": {"reason": "the payer took the money back at the counter"}},
    "allocate_payment": {"the account it was meant for": {"account_no": "1000018"}},
    "receive_delivery": {"two pieces": {"sku": "ont-gpon", "serials": ["HWTC0A1B2C3D", "HWTC0A1B2C3E"]}},
    "add_version": {
        "a shorter wait": {"body": {"prepayment_reminder_after": "P2D", "prepayment_expires_after": "P7D"}}
    },
    "add_tariff": {
        "paid in advance": {
            "code": "home-200",
            "title": "Домашний 200",
            "charging": "advance",
            "connection_fee_minor": 500_000,
            "monthly_fee_minor": 850_000,
            "valid_from": "2026-12-01",
            "network_profile": "200M",
        }
    },
}
