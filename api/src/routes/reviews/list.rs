//! `GET /products/{id}/reviews`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::ReviewId;
use domain::permission::Permission;
use domain::product::ProductStatus;
use domain::review::{RatingCounts, Review};
use jiff::Timestamp;
use serde::Serialize;
use store::mongo::reviews;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::products::find::{ProductName, cached};

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListReviews {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListReviews {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A review. Who wrote it is nobody else's business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Review)]
pub struct ReviewJson {
    /// Id.
    pub id: Uuid,
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: u8,
    /// A few words.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// Whether the reviewer has bought the product here.
    pub verified_purchase: bool,
    /// How many found it helpful.
    pub helpful_votes: u32,
    /// When it was written.
    pub created_at: Timestamp,
}

/// How many gave a rating.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingCount {
    /// 1 to 5.
    rating: u8,
    /// Approved reviews with it.
    count: u32,
}

/// What the reviews say together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewSummary {
    /// Mean, half up to 2 digits, as decimal text; `null` without reviews.
    #[schema(required = true, example = "4.33")]
    average: Option<String>,
    /// Approved reviews.
    count: u64,
    /// Every rating, the best first.
    by_rating: Vec<RatingCount>,
}

/// A page of reviews.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewPage {
    /// Newest first.
    data: Vec<ReviewJson>,
    /// Over all pages.
    summary: ReviewSummary,
    /// Where the next page begins.
    page: Page,
}

impl From<Review> for ReviewJson {
    fn from(review: Review) -> Self {
        Self {
            id: review.id.0,
            rating: review.rating,
            title: review.title,
            text: review.text,
            verified_purchase: review.order_id.is_some(),
            helpful_votes: review.helpful_votes,
            created_at: review.created_at,
        }
    }
}

impl From<RatingCounts> for ReviewSummary {
    fn from(counts: RatingCounts) -> Self {
        Self {
            average: counts.mean().map(|mean| mean.to_string()),
            count: counts.total(),
            by_rating: counts.best_first().map(|(rating, count)| RatingCount { rating, count }).collect(),
        }
    }
}

/// The approved reviews of a product, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/products/{id}/reviews",
    tag = "catalogue",
    params(("id" = String, Path, description = "Id or slug of the product"), ListReviews),
    responses(
        (status = 200, description = "A page of reviews", body = ReviewPage,
         headers(("Cache-Control" = String), ("Vary" = String), ("Surrogate-Key" = String))),
        ReadProblems,
    ),
    security((), ("bearer" = [])),
)]
pub async fn list_reviews(
    caller: Anyone,
    name: web::Path<String>,
    query: FromQuery<ListReviews>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListReviews { cursor, limit }) = query;
    let name = ProductName::from_path(&name).ok_or_else(|| Problem::not_found("product"))?;
    let product = cached(&state, &name)
        .await?
        .filter(|product| product.status == ProductStatus::Active || caller.holds(Permission::ManageProducts))
        .ok_or_else(|| Problem::not_found("product"))?;
    let list = format!("reviews {}", product.id);
    let before = cursor.map(|cursor| state.cursors.open::<ReviewId>(&list, &cursor)).transpose()?;
    let (mut found, counts) = futures_util::try_join!(
        reviews::list_approved(&state.mongo, product.id, before, i64::from(limit) + 1),
        reviews::count_approved(&state.mongo, product.id),
    )?;
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(&list, &last.id));
    let mut answer = HttpResponse::Ok();
    for header in cache_control::headers(&caller, cache_control::PRODUCTS) {
        answer.insert_header(header);
    }
    if caller.0.is_none() {
        answer.insert_header(("surrogate-key", format!("reviews-{}", product.id)));
    }
    let data = found.into_iter().map(ReviewJson::from).collect();
    Ok(answer.json(ReviewPage { data, summary: counts.into(), page: Page { next_cursor, limit } }))
}
