//! `GET /products`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};
use cache::page_cache::Page as KeptPage;
use cache::product_cache::LOCAL_LIFETIME;
use domain::ids::ProductId;
use domain::permission::Permission;
use domain::product::ProductStatus;
use serde::Serialize;
use store::mongo::products::{self, ProductFilter};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control::{self, SURROGATE_KEY};
use crate::page::{self, Page};
use crate::page_answer;
use crate::problem::{Problem, ReadProblems};
use crate::product_json::{ProductJson, ProductStatusName};
use crate::query_string::{self, Parameters, ReadQuery};

/// Which products, and from where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListProducts {
    /// Only this category and those below it.
    #[param(max_length = 300)]
    pub category: Option<String>,
    /// Only this status; for staff. Without it: active ones.
    #[param(value_type = Option<ProductStatusName>, inline)]
    pub status: Option<ProductStatus>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListProducts {
    fn read(parameters: &mut Parameters) -> Self {
        use ProductStatus::{Active, Archived, Draft};
        let choices = [Draft, Active, Archived].map(|status| (status.name(), status));
        Self {
            category: parameters.text("category", 300),
            status: parameters.choice("status", &choices),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        }
    }
}

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductPage {
    /// By id.
    data: Vec<ProductJson>,
    /// Where the next page begins.
    page: Page,
}

/// Products by id.
#[utoipa::path(
    get,
    path = "/api/v1/products",
    tag = "catalogue",
    params(ListProducts),
    responses((status = 200, description = "A page of products", body = ProductPage), ReadProblems),
    security((), ("bearer" = [])),
)]
pub async fn list_products(
    caller: Anyone,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = request.query_string();
    if let Some(page) = page_answer::find(&state, &state.pages.lists, query) {
        return Ok(listed(&request, &caller, &page));
    }
    let ListProducts { category, status, cursor, limit } = query_string::read(&request)?;
    if status.is_some() {
        caller.require(Permission::ManageProducts)?;
    }
    let filter = ProductFilter { status: Some(status.unwrap_or(ProductStatus::Active)), category };
    let list = format!("products {filter:?}");
    let after = cursor.map(|cursor| state.cursors.open::<ProductId>(&list, &cursor)).transpose()?;
    let (sight, kept_until) = (state.products.sight(), Instant::now() + LOCAL_LIFETIME);
    let mut found = products::list(&state.mongo, &filter, after, i64::from(limit) + 1).await?;
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(&list, &last.id));
    let data = found.iter().map(ProductJson::from).collect();
    let body = serde_json::to_vec(&ProductPage { data, page: Page { next_cursor, limit } });
    let body = body.map_err(Problem::internal)?.into();
    let page = Arc::new(KeptPage::new(body, sight, kept_until, None));
    if status.is_none() {
        page_answer::keep(&state.pages.lists, query, &page);
    }
    Ok(listed(&request, &caller, &page))
}

fn listed(request: &HttpRequest, caller: &Anyone, page: &KeptPage) -> HttpResponse {
    let mut answer = page_answer::of_page(request, caller, cache_control::PRODUCTS, page);
    if caller.0.is_none() {
        answer.headers_mut().insert(SURROGATE_KEY, HeaderValue::from_static("products"));
    }
    answer
}
