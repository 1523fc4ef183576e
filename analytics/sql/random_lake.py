"""A small lake made from a seed, with every edge of the definitions: rows for a plain count, files for engines."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]

UTC = timezone.utc
# The clocks of New York and London change in each of these spans, on different days.
SPANS = ((datetime(2024, 3, 8, tzinfo=UTC), 26), (datetime(2024, 10, 25, tzinfo=UTC), 12))
MICROS_OF_MINOR_UNIT = {"GBP": 10_000, "USD": 10_000, "JPY": 1_000_000, "KWD": 1_000}
CATEGORIES = (None, "women", "women/knitwear", "women/knitwear/wool, thick", "men/shoes", "women-ish")

ID, TEXT, TIME, NUMBER, SMALL = "BLOB", "VARCHAR", "TIMESTAMPTZ", "BIGINT", "INTEGER"
# An id that is kept as text: an order's line or a product names it so.
WRITTEN_ID = "WRITTEN_ID"

COLUMNS: dict[str, dict[str, str]] = {
    "orders/lines": {
        "order_id": ID,
        "refund_id": ID,
        "number": TEXT,
        "kind": TEXT,
        "status": TEXT,
        "customer": TEXT,
        "country": TEXT,
        "currency": TEXT,
        "line_number": SMALL,
        "occurred_at": TIME,
        "sku": TEXT,
        "product_id": WRITTEN_ID,
        "quantity": NUMBER,
        "unit_price_micros": NUMBER,
        "discount_micros": NUMBER,
        "amount_micros": NUMBER,
    },
    "documents/documents": {
        "order_id": ID,
        "refund_id": ID,
        "number": TEXT,
        "kind": TEXT,
        "status": TEXT,
        "customer": TEXT,
        "country": TEXT,
        "currency": TEXT,
        "occurred_at": TIME,
        "promotion_code": TEXT,
        "discount_minor": NUMBER,
        "shipping_minor": NUMBER,
        "tax_minor": NUMBER,
        "total_minor": NUMBER,
    },
    "payments/payments": {
        "payment_id": ID,
        "order_id": ID,
        "occurred_at": TIME,
        "provider": TEXT,
        "status": TEXT,
        "failure_code": TEXT,
        "currency": TEXT,
        "amount_minor": NUMBER,
    },
    "stock/movements": {
        "movement_id": ID,
        "occurred_at": TIME,
        "variant_id": ID,
        "sku": TEXT,
        "warehouse": TEXT,
        "delta": NUMBER,
        "on_hand_after": NUMBER,
        "cause": TEXT,
        "order_id": ID,
    },
    "users/users": {"user_id": ID, "registered_at": TIME, "status": TEXT},
    "products/products": {"product_id": WRITTEN_ID, "title": TEXT, "category": TEXT},
    "behaviour/events": {
        "id": ID,
        "occurred_at": TIME,
        "session_id": ID,
        "user_id": ID,
        "kind": TEXT,
        "product_id": ID,
        "variant_id": ID,
        "query": TEXT,
        "position": SMALL,
        "quantity": NUMBER,
        "amount_minor": NUMBER,
        "currency": TEXT,
        "order_id": ID,
        "results": NUMBER,
        "waited_ms": NUMBER,
        "experiment_id": ID,
        "arm": TEXT,
    },
}


@dataclass
class RandomLake:
    """The rows of a channel, by table. Ids are text of 32 digits; times know their zone."""

    channel: str
    seed: int
    tables: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def id(self) -> str:
        """An id of 16 bytes."""
        return self.random.randbytes(16).hex()

    def time(self) -> datetime:
        """A time on a whole minute, often about the midnight of some zone."""
        start, days = self.random.choice(SPANS)
        hour = self.random.choice((23, 0, 3, 4, 5, self.random.randrange(24)))
        return start + timedelta(days=self.random.randrange(days), hours=hour, minutes=self.random.randrange(60))

    def add(self, table: str, **values: Any) -> Row:
        """A row; what it does not tell is null."""
        row = dict.fromkeys(COLUMNS[table]) | values
        self.tables[table].append(row)
        return row

    def line(self, document: Row, number: int, **values: Any) -> Row:
        """A line of a document."""
        keys = ("order_id", "refund_id", "number", "kind", "status", "customer", "country", "currency", "occurred_at")
        values = {"discount_micros": 0, **{key: document[key] for key in keys}, **values}
        amount = values["quantity"] * values["unit_price_micros"] - values["discount_micros"]
        return self.add("orders/lines", line_number=number, amount_micros=amount, **values)


def shop(seed: int) -> RandomLake:
    """A shop with orders, refunds, payments, stock, accounts, a catalogue and behaviour."""
    lake = RandomLake("shop", seed)
    dice = lake.random
    customers = [lake.id() for _ in range(40)]
    products = [lake.add("products/products", product_id=lake.id(), title="T", category=c) for c in CATEGORIES * 3]
    gone = [{"product_id": lake.id()}]
    for customer in customers:
        lake.add("users/users", user_id=customer, registered_at=lake.time(), status="active")
    for number in range(300):
        _place_order(lake, number, customers, products + gone)
    _add_extremes(lake, products[0])
    orders = [row for row in lake.tables["documents/documents"] if row["refund_id"] is None]
    for _ in range(400):
        _visit(lake, customers, products, dice.choice(orders))
    for product in products:
        _move_stock(lake, product)
    return lake


def history(seed: int) -> RandomLake:
    """An imported history: documents of three kinds with signs and codes as somebody wrote them."""
    lake = RandomLake("history", seed)
    dice = lake.random
    skus = ["85123A", "85123a", " POST", 'B "2", x', "M", "22423"]
    for number in range(250):
        kind, letter = dice.choice((("sale", ""), ("sale", ""), ("sale", ""), ("credit", "C"), ("adjustment", "A")))
        customer = dice.choice((None, "17850", "12345", "9", "17850"))
        row = _document(lake, f"{letter}{number}", kind, customer, dice.choice((None, "EIRE", 'A "b", c', "France")))
        for line in range(dice.randrange(1, 6)):
            at = row["occurred_at"] + timedelta(minutes=dice.choice((0, 0, 1, 600)))
            quantity = -dice.randrange(1, 9) if kind == "credit" else dice.randrange(-2, 9)
            price = dice.choice((0, 2_555_000, 1_005_000, 123_456, 35_000, -500_000))
            lake.line(row, line, sku=dice.choice(skus), quantity=quantity, unit_price_micros=price, occurred_at=at)
    for number, size in ((9001, 1001), (9002, 1000)):
        crowded = _document(lake, str(number), "sale", "1", None)
        for line in range(size):
            lake.line(crowded, line, sku=f"S{line:04}", quantity=1, unit_price_micros=1)
    return lake


def _document(lake: RandomLake, number: str, kind: str, customer: str | None, country: str | None) -> Row:
    minors: Row = {"discount_minor": 0, "shipping_minor": 0, "tax_minor": 0, "total_minor": 0}
    return lake.add(
        "documents/documents",
        order_id=lake.id(),
        number=number,
        kind=kind,
        status="completed",
        customer=customer,
        country=country,
        currency=lake.random.choice(("GBP", "GBP", "JPY")),
        occurred_at=lake.time(),
        **minors,
    )


def _place_order(lake: RandomLake, number: int, customers: list[str], products: list[Row]) -> None:
    dice = lake.random
    customer = dice.choice([None, *map(_written, customers)])
    order = _document(lake, f"E{number}", "sale", customer, dice.choice(("GB", "US", None)))
    order["currency"] = dice.choice(tuple(MICROS_OF_MINOR_UNIT))
    order["status"] = dice.choice(("paid", "completed", "completed", "cancelled", "pending_payment"))
    order["promotion_code"] = dice.choice((None, None, "SPRING", "spring"))
    order |= {"shipping_minor": dice.choice((0, 395)), "tax_minor": dice.choice((0, 77))}
    unit = MICROS_OF_MINOR_UNIT[order["currency"]]
    lines = []
    # An order may have none: its tax and shipping are there all the same.
    for line in range(dice.randrange(5)):
        product = dice.choice(products)
        price = dice.choice((0, 1999, 250, 12_345)) * unit
        quantity = dice.randrange(1, 4)
        discount = min(price * quantity, dice.choice((0, 10)) * unit) if order["promotion_code"] else 0
        item: Row = {"sku": f"SKU-{product['product_id'][:4]}", "product_id": product["product_id"]}
        values: Row = {"quantity": quantity, "unit_price_micros": price, "discount_micros": discount}
        lines.append(lake.line(order, line, **item, **values))
    for attempt in range(dice.randrange(3)):
        status = dice.choice(("captured", "failed"))
        at = order["occurred_at"] + timedelta(minutes=attempt)
        tried: Row = {key: order[key] for key in ("order_id", "currency")}
        tried |= {"provider": dice.choice(("card", "wallet")), "status": status, "amount_minor": 1234}
        lake.add("payments/payments", payment_id=lake.id(), occurred_at=at, **tried)
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        _refund(lake, order, lines)


def _refund(lake: RandomLake, order: Row, lines: list[Row]) -> None:
    dice = lake.random
    at = order["occurred_at"] + timedelta(hours=dice.choice((1, 30, 70)))
    amounts = {"discount_minor": 0, "shipping_minor": 0, "tax_minor": -dice.choice((0, 77)), "total_minor": -500}
    changed = {"refund_id": lake.id(), "kind": "credit", "occurred_at": at, "promotion_code": None, **amounts}
    refund = lake.add("documents/documents", **(order | changed))
    for line in lines[: dice.randrange(3)]:
        item = {key: line[key] for key in ("sku", "product_id", "unit_price_micros")}
        lake.line(refund, line["line_number"], quantity=-1, **item)


def _add_extremes(lake: RandomLake, product: Row) -> None:
    """Lines whose sum is more than 64 bits hold, tax on a day without a line, and a guest who buys last of all."""
    large = _document(lake, "large", "sale", None, "GB")
    large["currency"] = "USD"
    for line in range(2):
        values: Row = {"sku": "L", "product_id": product["product_id"], "unit_price_micros": 9 * 10**18}
        lake.line(large, line, quantity=1, **values)
    lonely = _document(lake, "lonely", "sale", None, "GB")
    lonely |= {"tax_minor": 7, "occurred_at": datetime(2024, 4, 10, 12, tzinfo=UTC)}
    guest = _document(lake, "guest", "sale", None, None)
    guest["occurred_at"] = datetime(2024, 11, 20, 12, tzinfo=UTC)
    lake.line(guest, 1, sku="L", product_id=product["product_id"], quantity=1, unit_price_micros=10_000)


def _visit(lake: RandomLake, customers: list[str], products: list[Row], order: Row) -> None:
    dice = lake.random
    session, at = lake.id(), lake.time()
    user = dice.choice((None, dice.choice(customers)))
    seen = dice.sample(products, 2)
    for _ in range(dice.randrange(1, 10)):
        # Steps at the same time, and visits that go past midnight.
        at += timedelta(minutes=dice.choice((0, 0, 1, 5, 40)))
        kind = dice.choice(("view", "view", "view", "search", "click", "cart_add", "cart_add", "checkout", "purchase"))
        product = dice.choice(seen)["product_id"] if kind in ("view", "click", "cart_add") else None
        bought: Row = {}
        if kind == "purchase":
            bought = dice.choice(({}, {"order_id": order["order_id"]}))
            product = dice.choice((None, dice.choice(seen)["product_id"]))
        values: Row = {"user_id": user, "kind": kind, "product_id": product, "query": "scarf", **bought}
        lake.add("behaviour/events", id=lake.id(), session_id=session, occurred_at=at, **values)


def _move_stock(lake: RandomLake, product: Row) -> None:
    dice = lake.random
    causes = ("receipt", "sale", "sale", "return", "adjustment", "transfer", "stock_take")
    for _ in range(dice.randrange(12)):
        cause = dice.choice(causes)
        delta = -dice.randrange(1, 4) if cause == "sale" else dice.randrange(1, 9)
        values: Row = {"sku": f"SKU-{product['product_id'][:4]}", "warehouse": "W1", "delta": delta, "on_hand_after": 1}
        ids = {"movement_id": lake.id(), "variant_id": lake.id()}
        lake.add("stock/movements", occurred_at=lake.time(), cause=cause, **ids, **values)


def _written(identity: str) -> str:
    return "-".join((identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:]))


def write(lake: RandomLake, root: Path) -> None:
    """Writes every table that has rows, as the lake's files."""
    for table, rows in lake.tables.items():
        folder, _, file = table.partition("/")
        channel = root / folder / f"channel={lake.channel}"
        if table == "products/products":
            if rows:
                write_file(channel / f"{file}.parquet", table, rows)
            continue
        time = "registered_at" if table == "users/users" else "occurred_at"
        by_day = groupby(sorted(rows, key=lambda row: row[time]), key=lambda row: row[time].date())
        for day, some in by_day:
            _write_day(channel / f"day={day}", table, file, list(some))


def _write_day(folder: Path, table: str, file: str, rows: list[Row]) -> None:
    if table == "behaviour/events" and int(folder.name[-2:]) % 3 == 0:
        _land(folder, rows)
    else:
        # What was written before experiments and results were known lacks their columns.
        old = 13 if table == "behaviour/events" and int(folder.name[-2:]) % 2 else None
        write_file(folder / f"{file}.parquet", table, rows, old)


def _land(folder: Path, rows: list[Row]) -> None:
    """Half of a day's events is merged; the others have landed, some of them twice, beside what nobody reads."""
    table, half = "behaviour/events", len(rows) // 2
    if half:
        write_file(folder / "events.parquet", table, rows[:half])
    write_file(folder / "hour=10" / "0a.parquet", table, rows[half // 2 :])
    write_file(folder / "hour=11" / "0b.parquet", table, rows[-1:])
    write_file(folder / "hour=11" / "0c.parquet", table, [rows[0] | {"id": "ff" * 16}])
    (folder / "hour=11" / "0d.parquet.unfinished").write_bytes(b"PAR1")
    (folder / ".merged").write_text("2024-12-01T00:00:00Z\nhour=11/0c.parquet")


def _value(name: str, kind: str) -> str:
    if kind == ID:
        return f'unhex("{name}") AS "{name}"'
    return f'CAST(CAST("{name}" AS UUID) AS TEXT) AS "{name}"' if kind == WRITTEN_ID else f'"{name}"'


def write_file(path: Path, table: str, rows: list[Row], column_count: int | None = None) -> None:
    """Writes rows as a Parquet file with a table's columns, or the first of them."""
    columns = dict(list(COLUMNS[table].items())[:column_count])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.writelines(json.dumps(row, default=datetime.isoformat) + "\n" for row in rows)
        file.flush()
        texts = ", ".join(f"'{name}': '{TEXT if kind in (ID, WRITTEN_ID) else kind}'" for name, kind in columns.items())
        values = ", ".join(_value(name, kind) for name, kind in columns.items())
        read = f"read_json('{file.name}', format = 'newline_delimited', columns = {{{texts}}})"
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute(f"COPY (SELECT {values} FROM {read}) TO '{path}' (FORMAT parquet)")
