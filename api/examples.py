"""Requests to start from, in the OpenAPI document: by operation, then by what each shows."""

from typing import Any, Final

_ID: Final = "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"
_CREW: Final = {"crew_id": _ID, "starts_at": "2026-11-25T09:00:00+05:00"}
_AMOUNT: Final = {"amount_minor": 500_000, "currency": "KZT"}
_PERSON: Final = {"iin": "880101300010", "full_name": "Сейткали Арман Болатович", "phone": "+7 701 123 45 67"}

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
    "change_tariff": {
        "as soon as it can be": {"subscription_id": _ID, "tariff_code": "home-500", "effective": "now"},
        "from the next month on": {"subscription_id": _ID, "tariff_code": "home-500", "effective": "next_period"},
        "from a day on": {"subscription_id": _ID, "tariff_code": "home-1000", "effective": "2026-12-15"},
    },
    "add_equipment_model": {
        "another terminal": {
            "sku": "ont-xgs-2",
            "title": "Терминал XGS-PON",
            "kind": "ont",
            "price": {"amount_minor": 3_400_000, "currency": "KZT"},
        },
    },
    "set_tariff_equipment": {"a terminal and a router": {"equipment": ["ont-xgs", "router-be"]}},
    "request_disconnection": {
        "moves away": {"subscription_id": _ID, "reason": "moves to another town", "requested_on": "2026-12-15"},
    },
    "add_outage": {
        "planned works": {
            "kind": "planned",
            "node_ids": [_ID],
            "starts_at": "2026-12-01T01:00:00+05:00",
            "ends_at": "2026-12-01T05:00:00+05:00",
            "reason": "замена магистрального кабеля",
        },
        "an emergency, as of now": {"kind": "emergency", "node_ids": [_ID], "reason": "обрыв магистрального кабеля"},
    },
    "update_outage": {
        "another time": {"starts_at": "2026-12-02T01:00:00+05:00", "ends_at": "2026-12-02T05:00:00+05:00"},
        "it takes longer": {"ends_at": "2026-12-01T08:00:00+05:00"},
        "it covers other nodes": {"node_ids": [_ID]},
        "it is over": {"ended": True},
        "it was over a while ago": {"ended_at": "2026-12-01T04:20:00+05:00"},
    },
    "take_request": {
        "a subscriber calls": {
            "subscriber_id": _ID,
            "channel": "call",
            "category": "no_internet",
            "text": "Интернет пропал вечером, на терминале горит красная лампочка",
        },
        "somebody unknown wants to be connected": {
            "phone": "+7 701 123 45 67",
            "channel": "chat",
            "category": "connection",
            "text": "Сколько стоит подключение на улице Абая?",
            "language": "kk",
        },
    },
    "change_open_request": {
        "more urgent": {"priority": "urgent"},
        "another department's": {"owner": "accounting", "reason": "the question is about an invoice"},
        "whose it is": {"subscriber_id": _ID},
    },
    "add_answer": {"what they say": {"text": "Да, лампочка горит красным"}},
    "reopen_request_again": {"it does not work yet": {"text": "Через час снова пропал"}},
    "complete_task": {
        "a delivery came in": {
            "outcome": "delivered",
            "data": {"deliveries": [{"sku": "ont-gpon", "serials": ["HWTC0A1B2C3D"]}]},
        },
        "a crew is assigned": {"outcome": "assigned", "data": _CREW},
        "equipment is mounted": {"outcome": "installed", "data": {"serials": ["HWTC0A1B2C3D"]}},
        "equipment is replaced": {
            "outcome": "replaced",
            "data": {
                "serials": ["XGSP0A1B2C3D"],
                "equipment": [{"serial": "HWTC0A1B2C3D", "condition": "tested_ok"}],
            },
        },
        "the tariff may change in spite of a debt": {"outcome": "allowed", "data": {"reason": "pays on the fifth"}},
        "equipment is dismantled": {
            "outcome": "dismantled",
            "data": {"equipment": [{"serial": "HWTC0A1B2C3D", "condition": "tested_ok"}]},
        },
        "a request is solved": {"outcome": "solved", "data": {"solution": "Порт перезапущен, скорость восстановлена"}},
        "the subscriber is asked": {"outcome": "ask", "data": {"question": "Горит ли красная лампочка?"}},
        "a crew goes there": {
            "outcome": "start",
            "data": {"start": {"kind": "crew_visit", "what_to_do": "заменить кабель в квартире"}},
        },
        "the act is signed": {"outcome": "signed", "data": {"signed_by": "subscriber"}},
        "the money is paid back": {"outcome": "refunded", "data": {"payment_order": "1024"}},
    },
    "cancel_process": {"the subscriber changed their mind": {"reason": "changed their mind"}},
    "send_in_sms": {
        "a fault": {"sender": "+77011234567", "body": "Нет интернета"},
        "no SMS any more": {"sender": "+77011234567", "body": "СТОП"},
    },
    "reschedule_visit": {"another crew or time": _CREW},
    "register_subscriber": {"a person": {**_PERSON, "language": "ru", "premises_id": _ID}},
    "change_subscriber": {"another number": {"phone": "+7 702 123 45 67"}},
    "take_payment": {
        "by IIN": {
            "txn_id": "20261124000001",
            "iin": "880101300010",
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
    "add_bank": {
        "by HTTP Basic": {
            "code": "demo-bank-2",
            "name": "Demo Bank 2",
            "dialects": ["json_v1"],
            "allowed_networks": ["203.0.113.0/24"],
        },
        "by its networks alone": {
            "code": "kaspi",
            "name": "Kaspi Bank",
            "dialects": ["kaspi"],
            "credential": "address",
            "allowed_networks": ["198.51.100.16/28"],
            "payee_number": "iin",
            "payee_parameter": "iin",
            "receipt_field": "prv_txn",
            "shown_fields": [{"title": "Абонент", "value": "name"}],
        },
    },
    "change_bank": {
        "limits of a sum": {
            "smallest": {"amount_minor": 10_000, "currency": "KZT"},
            "biggest": {"amount_minor": 50_000_000, "currency": "KZT"},
        },
        "switched off": {"active": False},
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
    "promise_to_pay": {
        "all of it, by the end of the week": {"until": "2026-11-29"},
        "a part": {"amount": _AMOUNT, "until": "2026-12-01"},
    },
    "dispute_invoice": {
        "the whole invoice": {"invoice_id": _ID, "reason": "the service did not work that month"},
        "a part of it": {"invoice_id": _ID, "amount": _AMOUNT, "reason": "the router was given back"},
    },
    "decide_dispute": {
        "the subscriber was right": {"outcome": "upheld", "note": "credited by credit note 17"},
        "they were not": {"outcome": "rejected", "note": "the service worked on all of these days"},
    },
    "exclude_from_dunning": {"in hospital": {"until": "2027-01-15", "reason": "in hospital, by letter of 20.11."}},
    "forecast_dunning": {
        "the present policy": {"from": "2026-12-01", "until": "2027-01-01"},
        "a draft with more time": {
            "from": "2026-12-01",
            "until": "2027-01-01",
            "policy": {"fair_notice": "P5D"},
        },
    },
    "agree_on_terms": {
        "0.95 % of the day, three days at most": {
            "starts_on": "2026-11-01",
            "registry_expected_at": "10:00",
            "csv": {
                "txn_id": "Номер",
                "paid_on": "Дата",
                "subscriber": "Лицевой счёт",
                "amount": "Сумма",
                "decimal_comma": True,
                "total": {"word": "Итого"},
            },
            "fee": {"kind": "rule", "percent_bp": 95},
            "settlement": {"payer_bins": ["010140000012"], "purpose_contains": ["платежи"], "within_days": 3},
        },
        "a fee that only the statement tells": {
            "starts_on": "2026-11-01",
            "fee": {"kind": "as_statement", "at_most_bp": 200},
            "settlement": {"payer_accounts": ["KZ549260001000000042"]},
        },
    },
    "open_reconciliation": {"a day of a bank": {"bank": "demo-bank", "date": "2026-11-23"}},
    "reverse_payment": {"taken back at the bank": {"reason": "the payer took the money back at the counter"}},
    "reallocate_payment": {
        "the newer invoice first": {
            "allocations": [
                {
                    "invoice_id": "01a20b88-b9f7-73fa-8b0b-e6222ef639ec",
                    "amount": {"amount_minor": 650_000, "currency": "KZT"},
                }
            ],
            "reason": "the subscriber disputes the older one",
        }
    },
    "change_account": {
        "the newest invoice first": {"allocation_rule": "newest_due", "reason": "an old debt is disputed"}
    },
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
