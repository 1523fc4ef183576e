//! The OpenAPI 3.1 document, generated from the handlers. `api --print-openapi` prints it; `openapi.json` is
//! committed.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::problem::{FieldErrorJson, ProblemJson};
use crate::routes::{
    admin, analytics, catalogue, categories, events, experiments, health, inventory, judgments, media,
    merchandising, orders, products, reviews, search, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Entrepot",
        description = "Catalogue, search, orders and reports of the shop. Errors are RFC 9457 documents.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        products::list::list_products,
        products::create::create_product,
        products::get::get_product,
        products::patch::patch_product,
        products::delete::delete_product,
        reviews::list::list_reviews,
        categories::tree::category_tree,
        catalogue::create_import::create_import,
        catalogue::get_import::get_import,
        catalogue::list_import_entries::list_import_entries,
        search::search_products::search_products,
        search::suggest::suggest,
        events::tell_events::tell_events,
        events::snippet::snippet,
        orders::list::list_orders,
        orders::get::get_order,
        analytics::get_live_sales::get_live_sales,
        inventory::adjust::adjust_stock,
        inventory::get::get_inventory,
        inventory::ledger::list_ledger,
        admin::list_dead_letters::list_dead_letters,
        admin::get_dead_letter::get_dead_letter,
        admin::redrive_dead_letters::redrive_dead_letters,
        admin::start_index_task::rebuild_index,
        admin::start_index_task::repair_index,
        admin::list_index_tasks::list_index_tasks,
        admin::get_index_task::get_index_task,
        merchandising::list_drafts::list_drafts,
        merchandising::create_draft::create_draft,
        merchandising::get_draft::get_draft,
        merchandising::patch_draft::patch_draft,
        merchandising::discard_draft::discard_draft,
        merchandising::preview_draft::preview_draft,
        merchandising::evaluate_draft::evaluate_draft,
        merchandising::publish_draft::publish_draft,
        merchandising::list_releases::list_releases,
        merchandising::get_release::get_release,
        merchandising::roll_back::roll_back,
        experiments::list_experiments::list_experiments,
        experiments::start_experiment::start_experiment,
        experiments::get_experiment::get_experiment,
        experiments::stop_experiment::stop_experiment,
        merchandising::list_search_terms::list_search_terms,
        merchandising::take_suggestions::take_suggestions,
        judgments::list_sets::list_sets,
        judgments::list_judgments::list_judgments,
        judgments::add_judgments::add_judgments,
        judgments::remove_judgments::remove_judgments,
        webhooks::list::list_webhooks,
        webhooks::create::create_webhook,
        webhooks::get::get_webhook,
        webhooks::patch::patch_webhook,
        webhooks::delete::delete_webhook,
        webhooks::rotate_secret::rotate_secret,
        webhooks::list_deliveries::list_deliveries,
        webhooks::retry_delivery::retry_delivery,
        media::get::get_picture,
        health::live::live,
        health::ready::ready,
    ),
    components(schemas(ProblemJson<'static>, FieldErrorJson<'static>)),
    modifiers(&BearerToken),
)]
struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    analytics::report_documentation::add_to(&mut document);
    document
}

/// The document as it is committed.
pub fn to_text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("plain data becomes JSON");
    text.push('\n');
    text
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn serve() -> HttpResponse {
    static TEXT: LazyLock<String> = LazyLock::new(to_text);
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=300"))
        .content_type("application/json")
        .body(TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let committed = include_str!("../openapi.json");
        assert_eq!(to_text(), committed, "write it anew: api --print-openapi > api/openapi.json");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = to_text();
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
        for reference in text.split("\"$ref\": \"").skip(1) {
            let pointer = reference.split('"').next().expect("a closed text").trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
