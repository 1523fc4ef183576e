//! What the shop has to show: products and words that find some. A shop with too few gets products of its own
//! for the bench, once.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use support::running::Client;

/// Products that are asked for.
const PRODUCT_COUNT: usize = 1_000;
/// Below this many the bench makes its own.
const PRODUCT_COUNT_MIN: usize = 100;
const QUERY_COUNT: usize = 50;
const WORD_LENGTH_MIN: usize = 4;

/// What scenarios choose from.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Ids of products with their entity tags.
    pub ids: Vec<(String, String)>,
    /// Words that find products.
    pub queries: Vec<String>,
    /// Paths of reports.
    pub reports: Vec<String>,
    /// Token of who may read them.
    pub analyst: String,
}

impl Catalogue {
    /// Reads the catalogue of a running shop, whose day it is.
    pub async fn read(client: &Client, analyst: String, today: Date) -> anyhow::Result<Self> {
        let mut products = products(client).await?;
        if products.len() < PRODUCT_COUNT_MIN {
            eprintln!("the shop has {} products: adding up to {PRODUCT_COUNT_MIN}", products.len());
            for number in products.len()..PRODUCT_COUNT_MIN {
                add(client, number).await?;
            }
            products = self::products(client).await?;
        }
        let id = |product: &Value| {
            let version = product["version"].as_i64()?;
            let id = product["id"].as_str()?.to_owned();
            let tag = format!("\"v{version}-{}\"", id.get(id.len().checked_sub(8)?..)?);
            Some((id, tag))
        };
        let ids = products.iter().map(id).collect::<Option<_>>().context("products without an id")?;
        Ok(Self { ids, queries: frequent_words(&products), reports: reports(today), analyst })
    }
}

/// What the pages of a dashboard show: some weeks by day, and what was sold most.
fn reports(today: Date) -> Vec<String> {
    const SHOWN: [(&str, u32); 6] = [
        ("daily-sales", 1_000),
        ("top-products", 20),
        ("top-categories", 20),
        ("funnel", 1_000),
        ("conversion", 1_000),
        ("country-sales", 1_000),
    ];
    let path = |(name, limit), days: i32| {
        let from = today.saturating_sub(days.days());
        format!("/api/v1/analytics/{name}?from={from}&to={today}&limit={limit}")
    };
    SHOWN.iter().flat_map(|shown| [7, 28, 91].map(|days| path(*shown, days))).collect()
}

/// Titles of products that the shop has.
pub async fn titles(client: &Client) -> anyhow::Result<Vec<String>> {
    let titles = products(client).await?;
    let title = |product: &Value| product["title"].as_str().map(str::to_owned);
    Ok(titles.iter().filter_map(title).collect())
}

async fn products(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut path = "/products?limit=100".to_owned();
    while found.len() < PRODUCT_COUNT {
        let mut page = client.get(&path).await?;
        found.append(page["data"].as_array_mut().context("a page")?);
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/products?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    Ok(found)
}

/// Under a key of its own, so that the next bench finds it instead of adding another.
async fn add(client: &Client, number: usize) -> anyhow::Result<()> {
    let colour = ["Red", "Blue", "Green", "Black"][number % 4];
    let draft = json!({
        "title": format!("Bench {colour} Shirt {number}"),
        "description": "A plain shirt that only stands here to be looked at by a load test. ".repeat(4).trim(),
        "brand": "Bench", "category": "bench/shirts", "status": "active",
        "attributes": {"colour": colour},
        "variants": [{"sku": format!("bench-{number}"), "price": {"amount_minor": 1999, "currency": "GBP"}}]
    });
    let (status, body) = client.create(&format!("bench-product-{number}"), &draft).await?;
    ensure!(status == 201, "a product was not made: {status} {body}");
    Ok(())
}

/// Words of titles, the most frequent first: each finds something.
fn frequent_words(products: &[Value]) -> Vec<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for title in products.iter().filter_map(|product| product["title"].as_str()) {
        let words = title.split_whitespace().map(str::to_lowercase);
        let plain = |word: &String| {
            word.len() >= WORD_LENGTH_MIN && word.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        words.filter(plain).for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    words.into_iter().take(QUERY_COUNT).map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_the_words_of_titles() {
        let product = |title: &str| json!({"title": title});
        let words = frequent_words(&[product("Blue Shirt"), product("Red SHIRT of 100% wool")]);
        assert_eq!(words, ["shirt", "blue", "wool"]);
    }
}
