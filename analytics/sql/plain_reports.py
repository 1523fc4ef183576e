"""The definitions once more, counted row by row: slow, and nothing but what METRICS.md says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from random_lake import MICROS_OF_MINOR_UNIT, UTC, RandomLake, Row

Rows = list[tuple[object, ...]]
Visits = dict[tuple[str, date], list[Row]]


class Plain:
    """The reports of a channel on the clock of a zone."""

    def __init__(self, lake: RandomLake, zone: str, until: date) -> None:
        self._zone = ZoneInfo(zone)
        self._until = until
        self._tables = lake.tables
        self._lines = [row for row in lake.tables["orders/lines"] if row["status"] in ("paid", "completed")]
        documents = lake.tables["documents/documents"]
        self._documents = [row for row in documents if row["status"] in ("paid", "completed")]
        self._sales = [row for row in self._lines if _is_sale(row)]
        self._credits = [row for row in self._lines if row["kind"] == "credit"]
        self._category = {row["product_id"]: row["category"] for row in lake.tables["products/products"]}
        self._visits: Visits = defaultdict(list)
        for event in lake.tables["behaviour/events"]:
            self._visits[event["session_id"], self._date(event)].append(event)

    def _date(self, row: Row) -> date:
        at: datetime = row["occurred_at"]
        return at.astimezone(self._zone).date()

    def _month(self, row: Row) -> date:
        return self._date(row).replace(day=1)

    def daily_sales(self) -> Rows:
        return self._period_sales(self._date)

    def monthly_sales(self) -> Rows:
        return self._period_sales(self._month)

    def _period_sales(self, period: Callable[[Row], date]) -> Rows:
        first: dict[str, date] = {}
        for row in self._sales:
            first[row["customer"]] = min(period(row), first.get(row["customer"], date.max))
        found: Rows = []
        for key in sorted({(period(row), row["currency"]) for row in self._lines + self._documents}):

            def of(rows: list[Row], key: tuple[date, str] = key) -> list[Row]:
                return [row for row in rows if (period(row), row["currency"]) == key]

            unit = MICROS_OF_MINOR_UNIT[key[1]]
            sales, credits, charged = of(self._sales), of(self._credits), of(self._documents)
            charged = [row for row in charged if row["kind"] in ("sale", "credit")]
            customers = {row["customer"] for row in sales} - {None}
            tax = sum(row["tax_minor"] for row in charged) * unit
            shipping = sum(row["shipping_minor"] for row in charged) * unit
            if not of(self._lines) and not tax and not shipping:
                continue
            found.append(
                (
                    *key,
                    len(set(map(_document, sales))),
                    len(set(map(_document, credits))),
                    len(customers),
                    sum(first[customer] == key[0] for customer in customers),
                    _sum(sales, "quantity"),
                    _sum(sales, "amount_micros"),
                    _sum(sales, "discount_micros"),
                    _sum(credits, "amount_micros"),
                    tax,
                    shipping,
                    _sum(of(self._lines), "amount_micros"),
                    sum(_rounded(row["amount_micros"], unit) for row in sales + credits),
                )
            )
        return found

    def product_sales(self) -> Rows:
        return self._sales_by(lambda row: [_product(row)])

    def country_sales(self) -> Rows:
        return self._sales_by(lambda row: [row["country"] or ""])

    def category_sales(self) -> Rows:
        return self._sales_by(lambda row: _ancestors(self._category.get(row["product_id"])))

    def _sales_by(self, parts: Callable[[Row], list[str]]) -> Rows:
        groups: dict[tuple[date, str, str], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
        for place, rows in enumerate((self._sales, self._credits)):
            for row in rows:
                for part in parts(row):
                    groups[self._date(row), row["currency"], part][place].append(row)
        sums = {
            key: (len(set(map(_document, sales))), _sum(sales, "quantity"), _sum(sales, "amount_micros"))
            for key, (sales, _) in groups.items()
        }
        return [(*key, *sums[key], _sum(groups[key][1], "amount_micros")) for key in sorted(groups)]

    def funnel(self) -> Rows:
        counts: dict[date, Counter[int]] = defaultdict(Counter)
        for (_, day), events in self._visits.items():
            kinds = {event["kind"] for event in events}
            viewed = "view" in kinds
            carted = viewed and "cart_add" in kinds
            strict_cart = _first(events, "cart_add", _first(events, "view", datetime.min.replace(tzinfo=UTC)))
            flags = (
                True,
                viewed,
                "cart_add" in kinds,
                "purchase" in kinds,
                carted,
                carted and "checkout" in kinds,
                carted and "purchase" in kinds,
                strict_cart is not None,
                _first(events, "checkout", strict_cart) is not None,
                _first(events, "purchase", strict_cart) is not None,
            )
            counts[day].update(place for place, flag in enumerate(flags) if flag)
        return [(day, *(counts[day][place] for place in range(10))) for day in sorted(counts)]

    def search_to_sale(self) -> Rows:
        counts: dict[date, Counter[str]] = defaultdict(Counter)
        for (_, day), events in self._visits.items():
            kinds = Counter(event["kind"] for event in events)
            if not kinds["search"]:
                continue
            search = _first(events, "search", datetime.min.replace(tzinfo=UTC))
            is_bought = _first(events, "purchase", search) is not None
            counts[day].update(s=kinds["search"], v=1, c=min(kinds["click"], 1), p=int(is_bought))
        return [(day, *(counts[day][name] for name in "svcp")) for day in sorted(counts)]

    def product_conversion(self) -> Rows:
        ordered: dict[str, set[tuple[str, date]]] = defaultdict(set)
        for row in self._tables["orders/lines"]:
            if row["refund_id"] is None:
                ordered[row["order_id"]].add((row["product_id"], self._date(row)))
        counts: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)
        for (_, day), events in self._visits.items():
            seen: dict[str, set[str]] = defaultdict(set)
            for event in events:
                seen[event["kind"]].add(event["product_id"])
                if event["kind"] == "purchase" and event["order_id"]:
                    lines = ordered[event["order_id"]]
                    seen["purchase"] |= {product for product, line_day in lines if abs((line_day - day).days) <= 7}
            for product in seen["view"]:
                taken = [kind for kind in ("view", "cart_add", "purchase") if product in seen[kind]]
                counts[day.replace(day=1), _written(product)].update(taken)
        return [(*key, *(counts[key][kind] for kind in ("view", "cart_add", "purchase"))) for key in sorted(counts)]

    def cohorts(self) -> Rows:
        months: dict[str, set[date]] = defaultdict(set)
        for row in self._sales:
            if row["customer"]:
                months[row["customer"]].add(self._month(row))
        counts = Counter(
            (min(known), 12 * (month.year - min(known).year) + month.month - min(known).month)
            for known in months.values()
            for month in known
        )
        return [(*key, counts[key]) for key in sorted(counts)]

    def lifetime_value(self) -> Rows:
        named = [row for row in self._sales if row["customer"]]
        cohort = {customer: min(map(self._month, rows)) for customer, rows in _by(named, "customer")}
        groups: dict[tuple[date, str], list[Row]] = defaultdict(list)
        for row in self._sales + self._credits:
            if row["customer"] in cohort:
                groups[cohort[row["customer"]], row["currency"]].append(row)
        found: Rows = []
        for key in sorted(groups):
            sales = [row for row in groups[key] if _is_sale(row)]
            credits = [row for row in groups[key] if not _is_sale(row)]
            counts = (len({row["customer"] for row in sales}), len(set(map(_document, sales))))
            found.append((*key, *counts, _sum(sales, "amount_micros"), _sum(credits, "amount_micros")))
        return found

    def rfm(self) -> Rows:
        last = max(map(self._date, self._sales)) + timedelta(days=1)
        found: Rows = []
        for currency, rows in _by(self._sales, "currency"):
            for customer, sales in _by([row for row in rows if row["customer"]], "customer"):
                recency = (last - max(map(self._date, sales))).days
                frequency = len(set(map(_document, sales)))
                found.append((currency, customer, recency, frequency, _sum(sales, "amount_micros")))
        return sorted(found, key=lambda row: row[:2])

    def inventory_turnover(self) -> Rows:
        window = [self._until - timedelta(days=number) for number in range(28)]
        found: Rows = []
        for sku, rows in _by(self._tables["stock/movements"], "sku"):
            known = [row for row in rows if self._date(row) <= self._until]
            sold = [row for row in known if row["cause"] in ("sale", "return") and self._date(row) in window]
            held = sum(_sum([row for row in known if self._date(row) <= day], "delta") for day in window)
            if known:
                found.append((sku, -_sum(sold, "delta"), _sum(known, "delta"), held))
        return found

    def promotion_cost(self) -> Rows:
        orders = [row for row in self._documents if row["kind"] == "sale"]
        sold = {order: rows for order, rows in _by(self._sales, "order_id")}

        def revenue(some: list[Row], of: str = "amount_micros") -> int:
            return sum(_sum(sold.get(order["order_id"], []), of) for order in some)

        found: Rows = []
        for code, coded in _by([row for row in orders if row["promotion_code"]], "promotion_code"):
            for currency, some in _by(coded, "currency"):
                first, last = min(map(self._date, some)), max(map(self._date, some))
                others = [row for row in orders if row["currency"] == currency and row["promotion_code"] is None]
                others = [row for row in others if first <= self._date(row) <= last]
                sums = (len(some), revenue(some, "discount_micros"), revenue(some), len(others), revenue(others))
                found.append((code, currency, first, last, *sums))
        return found

    def bought_together(self) -> Rows:
        baskets: dict[str, set[str]] = defaultdict(set)
        for row in self._sales:
            baskets[_document(row)].add(_product(row))
        small = (sorted(basket) for basket in baskets.values() if len(basket) <= 1000)
        counts = Counter(pair for basket in small for pair in combinations(basket, 2))
        most = sorted(counts, key=lambda pair: (-counts[pair], pair))[:1000]
        return [(*pair, counts[pair]) for pair in sorted(most)]

    def hourly_orders(self) -> Rows:
        minutes: dict[tuple[date, int], Counter[datetime]] = defaultdict(Counter)
        for row in self._documents:
            if row["kind"] == "sale":
                at = row["occurred_at"]
                minutes[self._date(row), at.astimezone(self._zone).hour][at.replace(second=0)] += 1
        return [(*key, minutes[key].total(), max(minutes[key].values())) for key in sorted(minutes)]


def _is_sale(row: Row) -> bool:
    return bool(row["kind"] == "sale" and row["quantity"] > 0 and row["unit_price_micros"] > 0)


def _document(row: Row) -> str:
    return str(row["refund_id"] or row["order_id"])


def _product(row: Row) -> str:
    return _written(row["product_id"]) if row["product_id"] else str(row["sku"])


def _written(identity: str) -> str:
    return "-".join((identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:]))


def _sum(rows: list[Row], column: str) -> int:
    return sum(row[column] for row in rows)


def _rounded(micros: int, unit: int) -> int:
    half_up = (abs(micros) + unit // 2) // unit * unit
    return half_up if micros >= 0 else -half_up


def _ancestors(category: str | None) -> list[str]:
    words = (category or "").split("/")
    return ["/".join(words[:depth]) for depth in range(1, len(words) + 1)]


def _first(events: list[Row], kind: str, not_before: datetime | None) -> datetime | None:
    if not_before is None:
        return None
    return min((e["occurred_at"] for e in events if e["kind"] == kind and e["occurred_at"] >= not_before), default=None)


def _by(rows: list[Row], column: str) -> Iterator[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    yield from sorted(groups.items())
