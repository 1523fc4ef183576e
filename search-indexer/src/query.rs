//! What a shopper may ask of the index, and what comes back: ids, scores and facets.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ids::ProductId;
use domain::intent::Intent;
use elasticsearch::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Request, SearchClient};
use crate::error::SearchError;
use crate::snapshot;
use crate::tuned::Tuned;
use crate::vectors::{self, Meaning};
use ask::Ask;
use text::Strictness;

mod ask;
mod facets;
mod intent;
mod pinned;
mod signals;
mod spelling;
mod text;

/// Longest text, in characters.
pub const TEXT_LENGTH_MAX: usize = 200;
/// Most attributes in one request.
pub const ATTRIBUTE_COUNT_MAX: usize = 20;
/// Most hits of a page.
pub const LIMIT_MAX: u16 = 100;
/// Most values of a facet.
pub const FACET_VALUES_MAX: u16 = 50;
/// How long the engine may search.
const SEARCH_TIMEOUT: &str = "2s";
/// How long its answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// A part of an answer is none.
pub(crate) const WHOLE: [(&str, &str); 1] = [("allow_partial_search_results", "false")];
/// With fewer products that have most of the words, those that have any of them follow.
const RELAXED_BELOW: u64 = 100;
/// Longest text after correction, in characters.
const CORRECTED_LENGTH_MAX: usize = 2 * TEXT_LENGTH_MAX;
/// Values that a sort compares: what is asked for, then the id.
const SORT_VALUE_COUNT: usize = 2;

/// A search. Empty, it is the whole catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words, in no query language.
    pub text: Option<String>,
    /// A category path: products of it and of all below.
    pub category: Option<String>,
    /// A brand, in any case.
    pub brand: Option<String>,
    /// Lowest price that the dearest variant must reach, in minor units.
    pub price_min_minor: Option<i64>,
    /// Highest price that the cheapest variant may have, in minor units.
    pub price_max_minor: Option<i64>,
    /// Attributes that must all match, in any case.
    pub attributes: BTreeMap<String, String>,
    /// Lowest mean of the ratings.
    pub rating_min: Option<u8>,
    /// Only what can be bought, or only what cannot.
    pub buyable: Option<bool>,
    /// The order of hits.
    pub sort: Sort,
    /// Hits of a page, 1 to [`LIMIT_MAX`].
    pub limit: u16,
    /// [`SearchPage::next`] of the page before.
    pub place: Option<Place>,
    /// How matches are scored.
    pub ranking: Ranking,
    /// What merchandisers have set for it.
    pub tuned: Tuned,
    /// What of the catalogue its words name.
    pub intent: Intent,
}

/// How matches are scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ranking {
    /// As shoppers get them.
    #[default]
    Shop,
    /// Stems in one text, every field alike (BM25): what the shop's ranking is measured against.
    Plain,
}

/// The order of hits; equal ones are in the order of their ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Best match first.
    #[default]
    Relevance,
    /// Newest product first.
    Newest,
    /// Cheapest first, without a price last.
    PriceAsc,
    /// Dearest first, without a price last.
    PriceDesc,
    /// Best rated first, without a rating last.
    Rating,
    /// What sold most in the last 30 days first.
    BestSelling,
}

/// One page of hits.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// In the order asked for.
    pub hits: Vec<Hit>,
    /// Of all that has most of the words, not only of this page; of all that has any when nothing has most.
    pub facets: Facets,
    /// Where the next page begins, when there is one.
    pub next: Option<Place>,
    /// The words that were searched for instead, because the catalogue has none like those asked for.
    pub corrected: Option<String>,
    /// The first hit that has only a part of the words; those after it have, too.
    pub relaxed_from: Option<usize>,
}

/// Where in the list of hits a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    corrected: Option<String>,
    strictness: Strictness,
    /// Whether what is near in meaning is part of the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_by_meaning: bool,
    after: Option<Vec<Value>>,
    /// What it is a place in, from the second page on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
}

/// A product that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The product.
    pub product_id: ProductId,
    /// How well the text matches; `None` without a text, in another order, or at a place of its own.
    pub score: Option<f64>,
    /// Whether a merchandiser has given it its place.
    #[serde(default)]
    pub is_pinned: bool,
    /// Where it stands in the order.
    sort: Vec<Value>,
}

/// How many matches have which value. Each facet counts what the other filters leave, not its own, so that a shopper
/// sees what else there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// Category paths; a product counts in its category and in all above it.
    pub category: Vec<FacetValue>,
    /// Brands.
    pub brand: Vec<FacetValue>,
    /// Attributes and options by name, those that most matches have first.
    pub attributes: Vec<AttributeFacet>,
    /// Lowest prices of products, in minor units.
    pub price: Vec<PriceFacet>,
    /// Mean ratings: of so many stars and more.
    pub rating: Vec<RatingFacet>,
}

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeFacet {
    /// Such as `colour`.
    pub name: String,
    /// Most frequent first.
    pub values: Vec<FacetValue>,
}

/// A range of prices and how many products begin in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceFacet {
    /// The lowest.
    pub from_minor: i64,
    /// The lowest above it; open when missing.
    pub to_minor: Option<i64>,
    /// Products.
    pub count: u64,
}

/// Products that are rated so well or better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingFacet {
    /// Stars.
    pub at_least: u8,
    /// Products.
    pub count: u64,
}

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetValue {
    /// Such as `apparel/shirts` or `Puma`.
    pub value: String,
    /// Products that have it.
    pub count: u64,
}

/// Searches as [`search_meant`] does; words that are replaced change nothing else of the request.
pub async fn search(client: &SearchClient, request: &SearchRequest) -> Result<SearchPage, SearchError> {
    search_meant(client, request, |_| request.clone()).await
}

/// Searches the active products: first for those that have most of the words, then, when they are few, for those that
/// have any. Words that the catalogue does not know are replaced by what they are probably meant to be, if there is
/// such: `meant` gives the request as it is with those. A search that ran out of time is an error, never a part of the
/// answer.
pub async fn search_meant(
    client: &SearchClient,
    request: &SearchRequest,
    meant: impl Fn(&str) -> SearchRequest,
) -> Result<SearchPage, SearchError> {
    check(request)?;
    let corrected = request.place.as_ref().and_then(|place| place.corrected.as_deref());
    let corrected = corrected.map(&meant);
    let request = corrected.as_ref().unwrap_or(request);
    let mut place = request.place.clone().unwrap_or(Place::START);
    if request.place.is_some() && place.snapshot.is_none() {
        place.snapshot = snapshot::shared(client).await;
    }
    let snapshot = place.snapshot.clone();
    let Some(text) = place.corrected.as_deref().or_else(|| text_of(request)) else {
        return Ok(ask(client, &Ask { snapshot, ..Ask::new(request, None) }).await?.into_page(&place));
    };
    let (strictness, after) = (place.strictness, place.after.clone());
    let meaning = meaning_of(client, request, text).await?;
    let asked = Ask { strictness, after, meaning, snapshot, ..Ask::new(request, Some(text)) };
    // Words that have a synonym are meant as they are.
    let is_spelling_asked = request.place.is_none() && request.tuned.variants.is_empty();
    let first = match ask(client, &Ask { is_spelling_asked, ..asked.clone() }).await {
        // An index of before knows no spelling.
        Err(SearchError::Refused { status: 400, .. }) if is_spelling_asked => ask(client, &asked).await?,
        first => first?,
    };
    if let Some(text) = first.meant.as_ref().filter(|_| !first.has_them_all(&asked)) {
        let request = &meant(text);
        let meaning = meaning_of(client, request, text).await?;
        let asked = Ask { request, text: Some(text), meaning, ..asked.clone() };
        let corrected = ask(client, &asked).await?;
        if corrected.total > corrected.pinned {
            let place = Place { corrected: Some(text.clone()), ..place.clone() };
            return with_relaxed(client, asked, corrected, &place).await;
        }
    }
    with_relaxed(client, asked, first, &place).await
}

/// What the words mean, where products are in the order of how well they match. A list goes on as it began.
async fn meaning_of(
    client: &SearchClient,
    request: &SearchRequest,
    text: &str,
) -> Result<Option<Meaning>, SearchError> {
    let is_wanted = request.place.as_ref().is_none_or(|place| place.is_by_meaning);
    if !is_wanted || request.sort != Sort::Relevance || request.ranking != Ranking::Shop {
        return Ok(None);
    }
    let meaning = vectors::meaning(client, text).await;
    if request.place.is_some() && meaning.is_none() {
        return Err(SearchError::unavailable("no vector for the next page of a list that has them"));
    }
    Ok(meaning)
}

/// Fills the page with products that have any of the words, when few have most of them.
async fn with_relaxed(
    client: &SearchClient,
    asked: Ask<'_>,
    found: ask::Found,
    place: &Place,
) -> Result<SearchPage, SearchError> {
    let request = asked.request;
    // In another order than by relevance what hardly matches would come between; what is near in meaning takes its
    // place.
    let is_filled_up = request.sort == Sort::Relevance && asked.meaning.is_none();
    let is_wanted = if is_filled_up { found.total < RELAXED_BELOW } else { found.total <= found.pinned };
    if place.strictness == Strictness::Relaxed || found.has_more || !is_wanted || !asked.can_be_relaxed() {
        return Ok(found.into_page(place));
    }
    let count = found.hits.len();
    let left = request.limit - u16::try_from(count).unwrap_or(request.limit);
    let is_alone = found.total == found.pinned;
    let asked = Ask {
        strictness: Strictness::Relaxed,
        after: None,
        meaning: None,
        limit: left,
        are_facets_asked: is_alone,
        ..asked
    };
    let relaxed = ask(client, &asked).await?;
    let mut page = relaxed.into_page(&Place { strictness: Strictness::Relaxed, ..place.clone() });
    page.relaxed_from = (!page.hits.is_empty()).then_some(count);
    page.hits.splice(..0, found.hits);
    if !is_alone {
        page.facets = found.facets;
    }
    Ok(page)
}

async fn ask(client: &SearchClient, ask: &Ask<'_>) -> Result<ask::Found, SearchError> {
    let in_snapshot = match &ask.snapshot {
        Some(name) => snapshot::search(client, name, ask.body(), ANSWER_TIMEOUT).await?,
        None => None,
    };
    let is_of_snapshot = in_snapshot.is_some();
    let body = match in_snapshot {
        Some(body) => body,
        None => {
            let sent = Request::json(Method::Post, format!("{}/_search", client.alias()), ask.body());
            client.send(Request { query: &WHOLE, timeout: ANSWER_TIMEOUT, ..sent }).await?
        }
    };
    if body["timed_out"] == true {
        return Err(SearchError::unavailable(format!("the search took longer than {SEARCH_TIMEOUT}")));
    }
    let mut found = ask.read(&body)?;
    found.snapshot = ask.snapshot.clone().filter(|_| is_of_snapshot);
    if ask.is_first_page() {
        found.hits = pinned::placed(found.hits, &ask.request.tuned.pins);
    }
    Ok(found)
}

fn check(request: &SearchRequest) -> Result<(), SearchError> {
    let refused = |reason: &str| Err(SearchError::Refused { status: 400, reason: reason.to_owned() });
    if request.text.as_deref().is_some_and(|text| text.chars().count() > TEXT_LENGTH_MAX) {
        return refused("the text is too long");
    }
    if request.attributes.len() > ATTRIBUTE_COUNT_MAX {
        return refused("too many attributes");
    }
    if !(1..=LIMIT_MAX).contains(&request.limit) {
        return refused("the limit is out of range");
    }
    if request.place.as_ref().is_some_and(|place| !place.is_well_formed()) {
        return refused("the position is malformed");
    }
    Ok(())
}

fn text_of(request: &SearchRequest) -> Option<&str> {
    request.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

impl Place {
    const START: Self = Self {
        corrected: None,
        strictness: Strictness::Strict,
        is_by_meaning: false,
        after: None,
        snapshot: None,
    };

    fn is_well_formed(&self) -> bool {
        let is_scalar = |value: &Value| value.is_string() || value.is_number();
        let is_place = |values: &Vec<Value>| values.len() == SORT_VALUE_COUNT && values.iter().all(is_scalar);
        self.after.as_ref().is_none_or(is_place)
            && self.snapshot.as_ref().is_none_or(|name| name.len() <= snapshot::LENGTH_MAX)
            && self.corrected.as_ref().is_none_or(|text| text.chars().count() <= CORRECTED_LENGTH_MAX)
    }
}

#[cfg(test)]
mod tests;
