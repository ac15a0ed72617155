"""Reference data: what every operator needs, and a small made-up town to try the product in.

Prices are in tiyn and include VAT. All people, phones, streets and serial numbers are invented.
"""

from datetime import date
from typing import Final, NamedTuple

from models.contracts.catalogue import Charging
from models.contracts.ledger import Chart, ChartKind
from models.contracts.network import NodeKind
from models.contracts.people import Language, Role
from models.contracts.stock import EquipmentKind

# --- What every operator needs -------------------------------------------------------------------------------------

DEPARTMENTS: Final = {
    Role.OPERATOR: "Абонентский отдел",
    Role.PROCUREMENT: "Отдел снабжения",
    Role.ACCOUNTING: "Бухгалтерия",
    Role.DISPATCHER: "Диспетчерская",
    Role.INSTALLER: "Монтажный отдел",
    Role.SUPPORT: "Техническая поддержка",
    Role.OPS: "Отдел эксплуатации",
    Role.ADMIN: "Администрирование",
}

CHART: Final = {
    Chart.CASH: ("Денежные средства в кассе", ChartKind.ASSET),
    Chart.IN_TRANSIT: ("Денежные средства в пути", ChartKind.ASSET),
    Chart.BANK: ("Денежные средства на текущих банковских счетах", ChartKind.ASSET),
    Chart.RECEIVABLES: ("Краткосрочная дебиторская задолженность покупателей", ChartKind.ASSET),
    Chart.VAT_PAYABLE: ("Налог на добавленную стоимость", ChartKind.LIABILITY),
    Chart.SUSPENSE: ("Невыясненные поступления", ChartKind.LIABILITY),
    Chart.ADVANCES: ("Краткосрочные авансы полученные", ChartKind.LIABILITY),
    Chart.REVENUE: ("Доход от оказания услуг", ChartKind.INCOME),
    Chart.RETURNS: ("Возвраты и корректировки дохода", ChartKind.INCOME),
    Chart.BANK_FEES: ("Административные расходы: услуги банков", ChartKind.EXPENSE),
    Chart.BAD_DEBT: ("Расходы по списанию безнадёжных требований", ChartKind.EXPENSE),
}

VAT: Final = [
    (date(2009, 1, 1), date(2026, 1, 1), 1200),
    (date(2026, 1, 1), None, 1600),
]
"""12 % until the end of 2025, 16 % from 1 January 2026 on: Tax Code of the Republic of Kazakhstan; basis points."""

# --- The town to try the product in --------------------------------------------------------------------------------


class Person(NamedTuple):
    """Somebody who works for the operator."""

    login: str
    full_name: str
    role: Role
    phone: str
    is_head: bool = False
    language: Language = Language.RU


STAFF: Final = [
    Person("aigerim", "Айгерим Ержанова", Role.OPERATOR, "+77000000001", language=Language.KK),
    Person("yerlan", "Ерлан Касымов", Role.PROCUREMENT, "+77000000002"),
    Person("gulnara", "Гульнара Сапарова", Role.ACCOUNTING, "+77000000003"),
    Person("daniyar", "Данияр Омаров", Role.DISPATCHER, "+77000000004"),
    Person("serik", "Серик Жаксыбеков", Role.INSTALLER, "+77000000005", language=Language.KK),
    Person("madina", "Мадина Алиева", Role.SUPPORT, "+77000000006"),
    Person("timur", "Тимур Исаев", Role.OPS, "+77000000007", is_head=True, language=Language.EN),
    Person("asel", "Асель Нурланова", Role.ADMIN, "+77000000008", is_head=True),
    Person("saule", "Сауле Бекова", Role.OPERATOR, "+77000000011", is_head=True),
    Person("bolat", "Болат Ахметов", Role.PROCUREMENT, "+77000000012", is_head=True),
    Person("raushan", "Раушан Ким", Role.ACCOUNTING, "+77000000013", is_head=True),
    Person("marat", "Марат Оспанов", Role.DISPATCHER, "+77000000014", is_head=True),
    Person("nurlan", "Нурлан Тлеуов", Role.INSTALLER, "+77000000015", is_head=True),
    Person("zhanna", "Жанна Попова", Role.SUPPORT, "+77000000016", is_head=True),
]

LOGIN_OF_ROLE: Final = {role: next(one.login for one in STAFF if one.role == role) for role in Role}
"""Who acts for each role in local mode: the first of its people."""

BANK_CODE: Final = "demo-bank"
BANK_NAME: Final = "Demo Bank"
BANK_NETWORKS: Final = ["127.0.0.0/8", "::1/128"]
BANK_BIC: Final = "DEMOKZKA"
BANK_BIN: Final = "980640000013"
BANK_IIK: Final = "KZ98999DEMO000000001"
"""The operator's account with it."""
BANK_DIALECTS: Final = ["json_v1", "osmp", "kaspi"]


class Plan(NamedTuple):
    """A tariff with its monthly fees, each from a date on until the next one."""

    code: str
    title: str
    charging: Charging
    connection_fee_minor: int
    first_period_upfront: bool
    network_profile: str
    speed_mbps: int | None
    """What the port has to carry; none where any port will do."""
    fees_minor: list[tuple[date, int]]


TARIFFS: Final = [
    Plan("home-50", "Домашний 50", Charging.ADVANCE, 300_000, False, "50M", None,
         [(date(2024, 1, 1), 450_000), (date(2026, 1, 1), 490_000)]),
    Plan("home-100", "Домашний 100", Charging.ADVANCE, 500_000, True, "100M", None,
         [(date(2024, 1, 1), 590_000), (date(2026, 1, 1), 650_000)]),
    Plan("home-500", "Домашний 500", Charging.ADVANCE, 500_000, True, "500M", None,
         [(date(2024, 1, 1), 890_000), (date(2026, 1, 1), 990_000)]),
    Plan("home-1000", "Домашний 1000", Charging.ADVANCE, 500_000, True, "1G", 1000, [(date(2026, 1, 1), 1_490_000)]),
    Plan("biz-200", "Бизнес 200", Charging.ARREARS, 2_000_000, False, "200M-SYM", None,
         [(date(2024, 1, 1), 2_200_000), (date(2026, 1, 1), 2_400_000)]),
]  # fmt: skip

EQUIPMENT: Final = [
    # SKU, title, kind, price, how the serial numbers begin, how many are in stock
    ("ont-gpon", "Терминал GPON", EquipmentKind.ONT, 1_500_000, "ONT", 200),
    ("ont-xgs", "Терминал XGS-PON", EquipmentKind.ONT, 3_400_000, "XGS", 50),
    ("router-ax", "Маршрутизатор Wi-Fi 6", EquipmentKind.ROUTER, 2_200_000, "RAX", 200),
    ("router-be", "Маршрутизатор Wi-Fi 7", EquipmentKind.ROUTER, 4_200_000, "RBE", 50),
    ("switch-8", "Коммутатор на 8 портов", EquipmentKind.SWITCH, 1_200_000, "SW8", 50),
    ("stb-4k", "Приставка 4K", EquipmentKind.STB, 1_800_000, "STB", 0),
]
"""`stb-4k` is out of stock on purpose: ordering one shows a purchase."""

TARIFF_EQUIPMENT: Final = {"home-1000": ["ont-xgs", "router-be"]}
"""What a tariff works with; the others work with whatever is there."""

CREWS: Final = [("crew-1", "Бригада 1"), ("crew-2", "Бригада 2")]
"""Monday to Saturday from 9 to 19 in slots of two hours."""


class Node(NamedTuple):
    """A node of the town's network; those with ports reach premises."""

    code: str
    name: str
    kind: NodeKind
    parent: str | None = None
    ports: int = 0
    port_mbps: int | None = None
    """What each of its ports carries; any speed unless said."""


NODES: Final = [
    Node("tasbulak", "АТС Тасбулак", NodeKind.SITE),
    Node("tasbulak-olt-1", "OLT 1, Тасбулак", NodeKind.OLT, "tasbulak"),
    Node("tasbulak-olt-2", "OLT 2, Тасбулак", NodeKind.OLT, "tasbulak"),
    Node("abaya-12", "Дом: ул. Абая, 12", NodeKind.BUILDING, "tasbulak-olt-1", 96),
    Node("satpaeva-3", "Дом: ул. Сатпаева, 3", NodeKind.BUILDING, "tasbulak-olt-1", 96),
    Node("zhibek-shkaf-1", "Шкаф 1: ул. Жібек жолы", NodeKind.DISTRIBUTION, "tasbulak-olt-2", 64, 500),
    Node("dostyk-shkaf-2", "Шкаф 2: ул. Достық", NodeKind.DISTRIBUTION, "tasbulak-olt-2", 64),
]

PREMISES: Final = [
    *(("abaya-12", f"Тасбулак, ул. Абая, 12, кв. {flat}") for flat in range(1, 13)),
    *(("satpaeva-3", f"Тасбулак, ул. Сатпаева, 3, кв. {flat}") for flat in range(1, 13)),
    *(("zhibek-shkaf-1", f"Тасбулак, ул. Жібек жолы, {house}") for house in range(1, 21, 2)),
    *(("dostyk-shkaf-2", f"Тасбулак, ул. Достық, {house}") for house in range(2, 14, 2)),
]
