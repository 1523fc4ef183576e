//! What is asked for: the requests of a scenario, as bytes that are ready to be sent, in a seeded order.

use std::collections::HashMap;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::catalogue::Catalogue;

const SEED: u64 = 42;
/// Length of the order of requests, after which it begins anew.
const ORDER_LENGTH: usize = 65_536;

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Scenario {
    /// One product by id; a few are asked for far more often than the others (Zipf)
    Product,
    /// The first page of 20 products
    List,
    /// Searches that were asked for before
    Search,
    /// 60 % products, 20 % lists, 15 % searches, 5 % products that the client has (304)
    Browse,
    /// Reports that were asked for in the ten seconds before
    Reports,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 5] = [Self::Product, Self::List, Self::Search, Self::Browse, Self::Reports];

    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::List => "list",
            Self::Search => "search",
            Self::Browse => "browse",
            Self::Reports => "reports",
        }
    }

    /// The least share of the bare handler's throughput.
    pub fn goal(self) -> f64 {
        match self {
            Self::Product => 0.6,
            Self::List | Self::Search | Self::Browse | Self::Reports => 0.5,
        }
    }

    /// Its requests.
    pub fn requests(self, catalogue: &Catalogue) -> anyhow::Result<Requests> {
        ensure!(!catalogue.ids.is_empty() && !catalogue.queries.is_empty(), "the catalogue is empty");
        let mut random = StdRng::seed_from_u64(SEED);
        let popular = Popularity::new(catalogue.ids.len());
        let mut requests = Requests::default();
        let order = match self {
            // One request again and again needs no order.
            Self::List => vec![requests.add(list())],
            _ => (0..ORDER_LENGTH)
                .map(|_| {
                    let request = self.draw(catalogue, &popular, &mut random);
                    requests.add(request)
                })
                .collect(),
        };
        requests.order = order;
        Ok(requests)
    }

    fn draw(self, catalogue: &Catalogue, popular: &Popularity, random: &mut StdRng) -> Request {
        let product = |random: &mut StdRng| popular.draw(random);
        let search =
            |random: &mut StdRng| search(&catalogue.queries[random.random_range(0..catalogue.queries.len())]);
        match self {
            Self::Product => get_product(&catalogue.ids[product(random)].0),
            Self::List => list(),
            Self::Search => search(random),
            Self::Browse => match random.random_range(0..100) {
                0..60 => get_product(&catalogue.ids[product(random)].0),
                60..80 => list(),
                80..95 => search(random),
                _ => {
                    let (id, tag) = &catalogue.ids[product(random)];
                    Request { known_tag: Some(tag.clone()), ..get_product(id) }
                }
            },
            Self::Reports => {
                let path = &catalogue.reports[random.random_range(0..catalogue.reports.len())];
                Request { path: path.clone(), known_tag: None, token: Some(catalogue.analyst.clone()) }
            }
        }
    }
}

/// A request, before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// `If-None-Match`
    pub known_tag: Option<String>,
    /// Who asks; without one it is a visitor.
    pub token: Option<String>,
}

fn get_product(id: &str) -> Request {
    Request { path: format!("/api/v1/products/{id}"), known_tag: None, token: None }
}

fn list() -> Request {
    Request { path: "/api/v1/products?limit=20".to_owned(), known_tag: None, token: None }
}

fn search(word: &str) -> Request {
    Request { path: format!("/api/v1/search?q={word}&limit=20"), known_tag: None, token: None }
}

/// The different requests of a scenario, and in which order they are sent.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// Each one once.
    pub different: Vec<Request>,
    bytes: Vec<Vec<u8>>,
    known: HashMap<Request, u32>,
    order: Vec<u32>,
}

impl Requests {
    fn add(&mut self, request: Request) -> u32 {
        if let Some(known) = self.known.get(&request) {
            return *known;
        }
        let place = u32::try_from(self.different.len()).expect("few requests");
        let tag = request.known_tag.as_ref();
        let tag = tag.map_or_else(String::new, |tag| format!("If-None-Match: {tag}\r\n"));
        let token = request.token.as_ref();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let text = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{tag}{token}\r\n", request.path);
        self.bytes.push(text.into_bytes());
        self.different.push(request.clone());
        self.known.insert(request, place);
        place
    }

    /// The bytes of the request with that number; numbers have no end.
    pub fn bytes(&self, number: usize) -> &[u8] {
        &self.bytes[self.order[number % self.order.len()] as usize]
    }

    /// A place in the order for each of several connections, far from one another.
    pub fn start(&self, connection: usize, connections: usize) -> usize {
        connection * self.order.len() / connections.max(1)
    }
}

/// Zipf's law with exponent 1: the n-th of the list is asked for 1/n as often as the first.
struct Popularity(Vec<f64>);

impl Popularity {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let ranks = (1..=u32::try_from(count).expect("few products")).map(f64::from);
        Self(
            ranks
                .map(|rank| {
                    sum += 1.0 / rank;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut StdRng) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let point = random.random::<f64>() * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let ids = (0..100).map(|number| (format!("id-{number}"), "\"v1\"".to_owned())).collect();
        let queries = vec!["shirt".into(), "shoes".into()];
        Catalogue { ids, queries, reports: vec![], analyst: String::new() }
    }

    #[test]
    fn the_first_product_is_asked_for_most() {
        let requests = Scenario::Product.requests(&catalogue()).expect("requests");
        let counts = requests.different.iter().enumerate().map(|(place, request)| {
            let count = requests.order.iter().filter(|number| **number as usize == place).count();
            (request.path.clone(), count)
        });
        let counts: HashMap<_, _> = counts.collect();
        let of = |number: u32| counts[&format!("/api/v1/products/id-{number}")];
        assert!((8..=12).contains(&(of(0) / of(9))), "{} and {}", of(0), of(9));
    }

    #[test]
    fn a_browser_does_everything() {
        let requests = Scenario::Browse.requests(&catalogue()).expect("requests");
        let share = |is: &dyn Fn(&Request) -> bool| {
            let count =
                requests.order.iter().filter(|number| is(&requests.different[**number as usize])).count();
            count * 100 / requests.order.len()
        };
        assert!((4..=6).contains(&share(&|request| request.known_tag.is_some())));
        assert!((13..=17).contains(&share(&|request| request.path.contains("/search"))));
        assert!((18..=22).contains(&share(&|request| request.path.contains("?limit"))));
        let text = String::from_utf8_lossy(requests.bytes(requests.order.len() + 1)).into_owned();
        assert!(text.starts_with("GET /api/v1/") && text.ends_with("\r\n\r\n"));
    }
}
