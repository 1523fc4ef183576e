//! A plainer search in the store, for when the search engine is away: words of titles and brands, without facets,
//! synonyms and pages. What must not be shown is not shown here either.

use cache::search_cache::{SearchHit, SearchResult};
use domain::product::{Product, ProductStatus};
use domain::search_words::words;
use search_indexer::query::{Facets, SearchRequest, Sort};
use store::mongo::product_words;
use store::mongo::products::{self, ProductFilter};

use crate::app_state::AppState;
use crate::problem::Problem;

/// Products that are looked at for one page.
const CANDIDATE_COUNT: i64 = 300;

/// The first page; the only one that there is.
pub(super) async fn search(state: &AppState, request: &SearchRequest) -> Result<SearchResult, Problem> {
    let category = request.category.as_deref();
    let mut found = match request.text.as_deref().map(words).filter(|words| !words.is_empty()) {
        Some(words) => product_words::find(&state.mongo, &words, category, CANDIDATE_COUNT).await?,
        None => {
            let status = Some(ProductStatus::Active);
            let filter = ProductFilter { status, category: category.map(str::to_owned) };
            products::list(&state.mongo, &filter, None, CANDIDATE_COUNT).await?
        }
    };
    found.retain(|product| is_shown(product, request));
    sort(&mut found, request.sort);
    let hit = |product: &Product| SearchHit { product_id: product.id, score: None, is_pinned: false };
    Ok(SearchResult {
        hits: found.iter().take(request.limit.into()).map(hit).collect(),
        facets: serde_json::to_value(Facets::default()).map_err(Problem::internal)?,
        next: None,
        corrected: None,
        relaxed_from: None,
    })
}

fn is_shown(product: &Product, request: &SearchRequest) -> bool {
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    let prices =
        || product.variants.iter().filter_map(|variant| variant.price).map(|price| price.amount_minor);
    let is_buyable = product.variants.iter().any(|variant| product.is_available(variant));
    let brand = product.brand.as_deref().unwrap_or_default();
    let stars = product.rating.average.unwrap_or_default();
    let tuned = &request.tuned;
    request.brand.as_deref().is_none_or(|asked| same(asked, brand))
        && request.price_min_minor.is_none_or(|least| prices().max().is_some_and(|price| price >= least))
        && request.price_max_minor.is_none_or(|most| prices().min().is_some_and(|price| price <= most))
        && request.rating_min.is_none_or(|least| stars >= least.into())
        && request.buyable.is_none_or(|asked| asked == is_buyable)
        && request.attributes.iter().all(|(name, value)| product.has_attribute(name, value))
        && tuned.filters.iter().all(|selector| selector.selects(product))
        && !tuned.hidden.iter().any(|selector| selector.selects(product))
}

/// By relevance, and by what only the engine knows, they stay as they were found.
fn sort(products: &mut [Product], sort: Sort) {
    let price = |product: &Product| {
        product.variants.iter().filter_map(|variant| variant.price).map(|price| price.amount_minor).min()
    };
    match sort {
        Sort::Relevance | Sort::BestSelling => {}
        Sort::Newest => products.sort_by_key(|product| std::cmp::Reverse(product.created_at)),
        Sort::PriceAsc => products.sort_by_key(|product| (price(product).is_none(), price(product))),
        Sort::PriceDesc => products.sort_by_key(|product| std::cmp::Reverse(price(product))),
        Sort::Rating => products.sort_by_key(|product| std::cmp::Reverse(product.rating.average)),
    }
}
