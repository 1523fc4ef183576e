//! Whether two engines tell the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

/// Tables of DuckDB and the file of ours that has their columns. Recency is in scores here, and is compared by the
/// tests.
const TABLES: [(&str, &str); 17] = [
    ("daily_sales", "daily_sales"),
    ("monthly_sales", "monthly_sales"),
    ("product_sales", "product_sales"),
    ("country_sales", "country_sales"),
    ("category_sales", "category_sales"),
    ("payment_success", "payment_success"),
    ("hourly_orders", "hourly_orders"),
    ("funnel", "funnel"),
    ("cart_abandonment", "funnel"),
    ("search_to_sale", "search_to_sale"),
    ("product_conversion", "product_conversion"),
    ("users", "users"),
    ("cohorts", "cohorts"),
    ("lifetime_value", "lifetime_value"),
    ("inventory_turnover", "inventory_turnover"),
    ("bought_together", "bought_together"),
    ("promotion_cost", "promotion_cost"),
];

/// A table in both.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compared {
    /// Rows of the longer one.
    pub rows: usize,
    /// Rows that only one of them has.
    pub different: usize,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Equality(BTreeMap<&'static str, Compared>);

impl Equality {
    /// A table.
    pub fn of(&self, table: &str) -> Option<&Compared> {
        self.0.get(table)
    }

    /// Rows that were compared.
    pub fn rows(&self) -> usize {
        self.0.values().map(|compared| compared.rows).sum()
    }

    /// Tables without a row.
    pub fn empty(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, compared)| compared.rows == 0).map(|(table, _)| *table).collect()
    }

    /// Rows that differ.
    pub fn different(&self) -> usize {
        self.0.values().map(|compared| compared.different).sum()
    }
}

/// Compares the CSV files of two folders: the columns that DuckDB's have, rows in any order.
pub fn compare(ours: &Path, others: &Path) -> anyhow::Result<Equality> {
    let mut equality = Equality::default();
    for (table, file) in TABLES {
        let (names, other) = read(&others.join(format!("{table}.csv")), None)?;
        let (_, mut own) = read(&ours.join(format!("{file}.csv")), Some(&names))?;
        if table != file {
            // The funnel has days without a cart too.
            let carted = names.iter().position(|name| name == "carted").context("carted")?;
            own.retain(|row| row.split(',').nth(carted) != Some("0"));
        }
        equality.0.insert(table, differences(&own, &other));
    }
    Ok(equality)
}

/// The names of the columns, and the rows, sorted; only the wanted columns, in that order.
fn read(path: &Path, wanted: Option<&[String]>) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut lines = BufReader::new(file).lines();
    let header = lines.next().context("no header")??;
    let names: Vec<_> = header.split(',').map(str::to_owned).collect();
    let places = match wanted {
        None => (0..names.len()).collect::<Vec<_>>(),
        Some(wanted) => wanted
            .iter()
            .map(|name| names.iter().position(|known| known == name).with_context(|| name.clone()))
            .collect::<Result<_, _>>()
            .with_context(|| path.display().to_string())?,
    };
    let row = |line: String| {
        let fields: Vec<_> = line.split(',').collect();
        places
            .iter()
            .map(|place| fields.get(*place).copied().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(",")
    };
    let mut rows = lines.map(|line| line.map(row)).collect::<Result<Vec<_>, _>>()?;
    rows.sort_unstable();
    Ok((names, rows))
}

fn differences(own: &[String], other: &[String]) -> Compared {
    let (mut first, mut second, mut different) = (0, 0, 0);
    while first < own.len() || second < other.len() {
        match (own.get(first), other.get(second)) {
            (Some(one), Some(two)) if one == two => (first, second) = (first + 1, second + 1),
            (Some(one), two) if two.is_none_or(|two| one < two) => {
                (first, different) = (first + 1, different + 1)
            }
            _ => (second, different) = (second + 1, different + 1),
        }
    }
    Compared { rows: own.len().max(other.len()), different }
}
