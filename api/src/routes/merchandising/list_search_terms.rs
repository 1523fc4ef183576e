//! `GET /merchandising/search-terms`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::order::SHOP_CHANNEL;
use domain::search_term::{SearchTerm, SearchTermOrder};
use domain::tuning::suggestion::Suggestion;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use store::pg::search_terms;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::merchandising::tuning_json::{RuleJson, SynonymJson};

const ORDERS: [(&str, SearchTermOrder); 6] = [
    ("searches", SearchTermOrder::Searches),
    ("without_results", SearchTermOrder::WithoutResults),
    ("without_clicks", SearchTermOrder::WithoutClicks),
    ("reformulated", SearchTermOrder::Reformulated),
    ("sales", SearchTermOrder::Sales),
    ("waits", SearchTermOrder::Waits),
];

/// By what search terms are put in order, the highest first.
#[derive(Debug, ToSchema)]
#[schema(as = SearchTermOrder, rename_all = "snake_case")]
pub enum OrderName {
    /// How often they are searched for.
    Searches,
    /// Searches that found nothing.
    WithoutResults,
    /// Searches that found something of which nothing was clicked.
    WithoutClicks,
    /// Searches that were given up for another.
    Reformulated,
    /// Visits that bought what they found.
    Sales,
    /// How long was waited.
    Waits,
}

/// Which terms.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListSearchTerms {
    /// By what they are put in order; by searches when missing. Those of which it is 0 are left out.
    #[param(value_type = Option<OrderName>, inline)]
    pub order: SearchTermOrder,
    /// Most terms.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListSearchTerms {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            order: parameters.choice("order", &ORDERS).unwrap_or(SearchTermOrder::Searches),
            limit: parameters.limit(),
        }
    }
}

/// What shoppers searched for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchTermReport)]
pub struct SearchTermsJson {
    /// In the order asked for. A term of fewer than three people is in none.
    data: Vec<SearchTermJson>,
    /// First day that is counted, in UTC; `null` when nothing was counted yet.
    #[schema(required = true, value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// Last day.
    #[schema(required = true, value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// All searches of those days.
    searches: i64,
    /// When it was counted.
    #[schema(required = true)]
    as_of: Option<Timestamp>,
}

/// A search, in lower case, and what it led to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchTerm)]
struct SearchTermJson {
    /// The words.
    term: String,
    /// How often it was searched for.
    searches: i64,
    /// In how many visits.
    sessions: i64,
    /// By how many people: accounts, and visits without one.
    visitors: i64,
    /// Searches of which it is known how many products they found.
    counted: i64,
    /// Of those: that found none.
    without_results: i64,
    /// Searches in whose visit a result of it was clicked.
    clicked: i64,
    /// Searches without a click that were followed by another search.
    reformulated: i64,
    /// What most visits searched for instead: a term, or a word of several.
    #[schema(required = true)]
    reformulated_to: Option<String>,
    /// In how many visits.
    reformulated_to_sessions: i64,
    /// The product that was clicked most often, each click counting the more the further down it was made.
    #[schema(required = true)]
    top_product: Option<Uuid>,
    /// Visits that bought something which they had clicked in its results.
    sales: i64,
    /// So many milliseconds or less was waited for 95 of 100 searches.
    #[schema(required = true)]
    waited_ms_p95: Option<i64>,
    /// What could be set for it: a draft takes it over.
    #[schema(required = true, value_type = Option<SuggestionJson>)]
    suggestion: Option<Suggestion>,
}

/// Something that mends a search term.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchSuggestion)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SuggestionJson {
    /// What is searched for next is also found by the term.
    Synonym {
        /// The synonym.
        synonym: SynonymJson,
    },
    /// The product that is clicked most stands first.
    Rule {
        /// The rule.
        rule: RuleJson,
    },
}

impl From<SearchTerm> for SearchTermJson {
    fn from(term: SearchTerm) -> Self {
        Self {
            suggestion: Suggestion::of(&term),
            term: term.term,
            searches: term.searches,
            sessions: term.sessions,
            visitors: term.visitors,
            counted: term.counted,
            without_results: term.without_results,
            clicked: term.clicked,
            reformulated: term.reformulated,
            reformulated_to: term.reformulated_to,
            reformulated_to_sessions: term.reformulated_to_sessions,
            top_product: term.top_product.map(|product| product.0),
            sales: term.sales,
            waited_ms_p95: term.waited_ms_p95,
        }
    }
}

/// What shoppers searched for in the last four weeks, what it led to, and what could be set for it.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/search-terms",
    tag = "merchandising",
    params(ListSearchTerms),
    responses((status = 200, description = "The first terms", body = SearchTermsJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_search_terms(
    _: Authorized<TuneSearch>,
    query: FromQuery<ListSearchTerms>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListSearchTerms { order, limit }) = query;
    let client = state.pools.read().await?;
    let found = search_terms::read(&**client, SHOP_CHANNEL, order, limit.into()).await?;
    drop(client);
    let window = found.as_ref().map(|found| (found.report.from, found.report.to, found.as_of));
    let body = SearchTermsJson {
        from: window.map(|(from, ..)| from),
        to: window.map(|(_, to, _)| to),
        as_of: window.map(|(.., as_of)| as_of),
        searches: found.as_ref().map_or(0, |found| found.report.searches),
        data: found.into_iter().flat_map(|found| found.report.terms).map(SearchTermJson::from).collect(),
    };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(body))
}
