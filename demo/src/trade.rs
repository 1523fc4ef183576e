//! The trade of the whole history, day by day: orders with all that belongs to them, and the ledger of stock.

use domain::order::OrderStatus;
use domain::promotion::Promotion;
use domain::shop_order::ShopOrder;
use domain::stock::{StockLevel, StockMovement};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::assortment::{Assortment, Demand, Item};
use crate::calendar::{Calendar, days, midnight};
use crate::customers::{Buyers, Customer, Customers};
use crate::orders::payment::{Settlement, settle};
use crate::orders::{Pick, fill_basket, place};
use crate::random::stream;
use crate::returns::{delivered_at, refund};
use crate::shop::Size;
use crate::stock::Stock;

/// Pieces are on the shelf again so many hours after the money went back, at most.
const SHELVED_HOURS_MAX: i64 = 48;

/// What happened on a day, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// The orders placed on that day by time, with all that came of them until the end.
    pub orders: Vec<ShopOrder>,
    /// The movements of stock on that day by time and id.
    pub movements: Vec<StockMovement>,
}

/// Why there is no trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTrade {
    /// Somebody has to order.
    #[error("a shop with orders needs a customer")]
    NoCustomers,
    /// Something has to be on sale on every day.
    #[error("a shop with orders needs a product that is on sale from the start to the end")]
    NothingOnSale,
}

/// The days of the history, made one after the other: what is kept does not grow with the number of orders.
#[derive(Debug)]
pub struct Trade<'a> {
    size: Size,
    assortment: &'a Assortment<'a>,
    promotions: &'a [Promotion],
    buyers: Buyers<'a>,
    calendar: Calendar,
    dates: Vec<Date>,
    stock: Stock<'a>,
    /// Days and orders so far.
    day: usize,
    order: u32,
}

impl<'a> Trade<'a> {
    /// The trade of a shop. An error tells what a shop with orders lacks.
    pub fn new(
        size: &Size,
        assortment: &'a Assortment<'a>,
        customers: &'a Customers,
        promotions: &'a [Promotion],
    ) -> Result<Self, NoTrade> {
        if size.orders > 0 && customers.all().is_empty() {
            return Err(NoTrade::NoCustomers);
        }
        let is_always_sold = |item: &Item<'_>| item.sold.start <= size.start() && item.sold.end >= size.end;
        if size.orders > 0 && !assortment.items().iter().any(is_always_sold) {
            return Err(NoTrade::NothingOnSale);
        }
        Ok(Self {
            size: *size,
            assortment,
            promotions,
            buyers: Buyers::new(customers),
            calendar: Calendar::new(size),
            dates: days(size).collect(),
            stock: Stock::new(size, assortment),
            day: 0,
            order: 0,
        })
    }

    /// The stock at the end of the days made so far, by variant and warehouse: the sums of all movements.
    pub fn into_stock(self) -> Vec<StockLevel> {
        self.stock.levels()
    }

    fn orders_until(&mut self, until: Timestamp, demand: &Demand) -> Vec<ShopOrder> {
        let mut orders = Vec::new();
        while self.order < self.size.orders {
            let at = self.calendar.order_at(self.order);
            if at >= until {
                break;
            }
            self.stock.advance(at.as_millisecond());
            orders.push(self.make_order(at, demand));
            self.order += 1;
        }
        orders
    }

    fn make_order(&mut self, at: Timestamp, demand: &Demand) -> ShopOrder {
        let mut stream = stream(self.size.seed, "order", u64::from(self.order));
        let buyer = self.buyers.next(self.order, at, &mut stream);
        let basket = fill_basket(self.assortment, demand, &mut self.stock, buyer.0, at, &mut stream);
        let mut order = place(self.assortment, self.promotions, &basket, buyer, self.order, at, &mut stream);
        let total_minor = order.total_minor();
        let (payments, settlement) = settle(at, self.size.end, total_minor, &mut stream);
        order.payments = payments;
        match settlement {
            Settlement::Open => {}
            Settlement::GivenUp(at) => {
                order.status = OrderStatus::Cancelled;
                order.version += 1;
                for pick in &basket {
                    self.stock.release(at.as_millisecond(), pick.slot, pick.quantity);
                }
            }
            Settlement::Captured(at) => {
                order.status = OrderStatus::Paid;
                order.version += 1;
                for pick in &basket {
                    self.stock.sell(at.as_millisecond(), pick.slot, pick.quantity, order.id);
                }
                self.deliver(&mut order, &basket, buyer.0, at, &mut stream);
            }
        }
        order
    }

    fn deliver(
        &mut self,
        order: &mut ShopOrder,
        basket: &[Pick],
        customer: &Customer,
        paid_at: Timestamp,
        stream: &mut SmallRng,
    ) {
        let delivered_at = delivered_at(paid_at, customer.country, stream);
        if delivered_at >= self.size.end {
            return;
        }
        order.status = OrderStatus::Completed;
        let Some(payment) = order.payments.last() else { return };
        let times = (delivered_at, self.size.end);
        order.refunds = refund(self.assortment, order, payment.id, basket, customer, times, stream);
        order.version += 1 + order.refunds.len() as i64;
        for refund in &order.refunds {
            let shelved = stream.random_range(1..SHELVED_HOURS_MAX * 3600).seconds();
            let at = (refund.occurred_at + shelved).as_millisecond();
            for line in &refund.lines {
                let slot = basket[line.line_number as usize - 1].slot;
                self.stock.give_back(at, slot, line.quantity, order.id);
            }
        }
    }
}

impl Iterator for Trade<'_> {
    type Item = Day;

    fn next(&mut self) -> Option<Day> {
        let date = *self.dates.get(self.day)?;
        self.day += 1;
        let until = self.dates.get(self.day).map_or(self.size.end, |next| midnight(*next));
        let demand = self.assortment.demand(date, self.size.start());
        self.stock.plan_counts(midnight(date).max(self.size.start()).as_millisecond());
        let orders = self.orders_until(until, &demand);
        self.stock.advance(until.as_millisecond() - 1);
        Some(Day { date, orders, movements: self.stock.take_movements() })
    }
}

#[cfg(test)]
mod tests;
