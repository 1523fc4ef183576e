//! What a report is made of.

/// A report as it is published and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// In the address of its route.
    pub name: &'static str,
    /// Where its rows are; several reports may show one table.
    pub table: &'static str,
    /// Where its rows are added up by month.
    pub months: Option<&'static str>,
    /// In one sentence.
    pub about: &'static str,
    /// What a run replaces.
    pub grain: Grain,
    /// Whether days are of orders alone: a whole run forgets those that have none any more.
    pub is_of_orders: bool,
    /// What a row is of, after the channel and the time zone.
    pub keys: &'static [Column],
    /// What is counted.
    pub sums: &'static [Column],
    /// What follows from the sums when they are read.
    pub derived: &'static [Derived],
    /// Rows are added up over the days and sorted by this column, largest first.
    pub sorted_by: Option<&'static str>,
}

/// How a report's rows are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// By `date`.
    Day,
    /// By `month`.
    Month,
    /// All at once.
    Whole,
}

/// A column of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// In the table and in answers.
    pub name: &'static str,
    /// Its values.
    pub kind: Kind,
    /// What it means, in a few words.
    pub about: &'static str,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A calendar day.
    Date,
    /// Words.
    Text,
    /// A whole number.
    Count,
    /// An exact amount in major units, with the digits of the channel's prices.
    Amount,
    /// A quotient, half away from zero to so many digits; 0 when nothing is below the line.
    Ratio(u32),
}

/// A column that follows from the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// What comes out.
    pub column: Column,
    /// An expression of the sums.
    pub over: &'static str,
    /// What it is divided by.
    pub under: Option<&'static str>,
}

impl Report {
    /// Every column in the order of answers. Sorted reports are added up, so they have no day.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.shown_keys().chain(self.sums).chain(self.derived.iter().map(|derived| &derived.column))
    }

    pub(super) fn shown_keys(&self) -> impl Iterator<Item = &Column> {
        let is_summed = self.is_summed();
        self.keys.iter().filter(move |key| !is_summed || Some(key.name) != self.day())
    }

    /// Whether rows of several days are added up.
    pub fn is_summed(&self) -> bool {
        self.sorted_by.is_some() && self.grain != Grain::Whole
    }

    /// The column of the day or month, if rows are by one.
    pub fn day(&self) -> Option<&'static str> {
        match self.grain {
            Grain::Day => Some("date"),
            Grain::Month => Some("month"),
            Grain::Whole => None,
        }
    }

    /// Where rows of it are.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.table].into_iter().chain(self.months)
    }

    /// Whether rows are by currency.
    pub fn has_currency(&self) -> bool {
        self.keys.iter().any(|key| key.name == "currency")
    }
}
