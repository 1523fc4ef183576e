//! Every route on one screen.

use actix_web::guard::{self, GuardContext};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{Handler, HttpResponse, Resource, Responder, Route, web};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::error_code::ErrorCode;
use crate::openapi;
use crate::problem::Problem;
use crate::route_figures::RouteFigures;
use crate::routes::admin::{
    get_dead_letter::get_dead_letter,
    get_index_task::get_index_task,
    list_dead_letters::list_dead_letters,
    list_index_tasks::list_index_tasks,
    redrive_dead_letters::redrive_dead_letters,
    start_index_task::{rebuild_index, repair_index},
};
use crate::routes::analytics::get_live_sales::get_live_sales;
use crate::routes::analytics::get_report::get_report;
use crate::routes::catalogue::{
    create_import::create_import, get_import::get_import, list_import_entries::list_import_entries,
};
use crate::routes::categories::tree::category_tree;
use crate::routes::events::{snippet::snippet, tell_events::tell_events};
use crate::routes::experiments::{
    get_experiment::get_experiment, list_experiments::list_experiments, start_experiment::start_experiment,
    stop_experiment::stop_experiment,
};
use crate::routes::health::{live::live, ready::ready};
use crate::routes::inventory::{adjust::adjust_stock, get::get_inventory, ledger::list_ledger};
use crate::routes::judgments::{
    add_judgments::add_judgments, list_judgments::list_judgments, list_sets::list_sets,
    remove_judgments::remove_judgments,
};
use crate::routes::media::get::get_picture;
use crate::routes::merchandising::{
    create_draft::create_draft, discard_draft::discard_draft, evaluate_draft::evaluate_draft,
    get_draft::get_draft, get_release::get_release, list_drafts::list_drafts, list_releases::list_releases,
    list_search_terms::list_search_terms, patch_draft::patch_draft, preview_draft::preview_draft,
    publish_draft::publish_draft, roll_back::roll_back, take_suggestions::take_suggestions,
};
use crate::routes::orders::{get::get_order, list::list_orders};
use crate::routes::products::{
    create::create_product, delete::delete_product, get::get_product, list::list_products,
    patch::patch_product,
};
use crate::routes::reviews::list::list_reviews;
use crate::routes::search::{search_products::search_products, suggest::suggest};
use crate::routes::webhooks::{
    create::create_webhook, delete::delete_webhook, get::get_webhook, list::list_webhooks,
    list_deliveries::list_deliveries, patch::patch_webhook, retry_delivery::retry_delivery,
    rotate_secret::rotate_secret,
};

/// Adds every route.
#[expect(clippy::too_many_lines, reason = "a list: every route in one place")]
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/api/v1")
                .service(
                    resource("/products", "GET, HEAD, POST")
                        .route(get(list_products))
                        .route(post(create_product)),
                )
                .service(
                    resource("/products/{id}", "DELETE, GET, HEAD, PATCH")
                        .route(get(get_product))
                        .route(patch(patch_product))
                        .route(delete(delete_product)),
                )
                .service(resource("/products/{id}/reviews", "GET, HEAD").route(get(list_reviews)))
                .service(resource("/categories", "GET, HEAD").route(get(category_tree)))
                .service(resource("/inventory/adjustments", "POST").route(post(adjust_stock)))
                .service(resource("/inventory/{variant_id}", "GET, HEAD").route(get(get_inventory)))
                .service(resource("/inventory/{variant_id}/ledger", "GET, HEAD").route(get(list_ledger)))
                .service(resource("/catalogue/imports", "POST").route(post(create_import)))
                .service(resource("/catalogue/imports/{id}", "GET, HEAD").route(get(get_import)))
                .service(
                    resource("/catalogue/imports/{id}/report", "GET, HEAD").route(get(list_import_entries)),
                )
                .service(resource("/search", "GET, HEAD").route(get(search_products)))
                .service(resource("/search/suggest", "GET, HEAD").route(get(suggest)))
                .service(resource("/events", "POST").route(post(tell_events)))
                .service(resource("/orders", "GET, HEAD").route(get(list_orders)))
                .service(resource("/orders/{id}", "GET, HEAD").route(get(get_order)))
                .service(resource("/analytics/live", "GET, HEAD").route(get(get_live_sales)))
                .service(resource("/analytics/{report}", "GET, HEAD").route(get(get_report)))
                .service(resource("/admin/dead-letters", "GET, HEAD").route(get(list_dead_letters)))
                .service(resource("/admin/dead-letters/redrive", "POST").route(post(redrive_dead_letters)))
                .service(resource("/admin/dead-letters/{id}", "GET, HEAD").route(get(get_dead_letter)))
                .service(resource("/admin/index/rebuild", "POST").route(post(rebuild_index)))
                .service(resource("/admin/index/repair", "POST").route(post(repair_index)))
                .service(resource("/admin/index/tasks", "GET, HEAD").route(get(list_index_tasks)))
                .service(resource("/admin/index/tasks/{id}", "GET, HEAD").route(get(get_index_task)))
                .service(
                    resource("/merchandising/drafts", "GET, HEAD, POST")
                        .route(get(list_drafts))
                        .route(post(create_draft)),
                )
                .service(
                    resource("/merchandising/drafts/{id}", "DELETE, GET, HEAD, PATCH")
                        .route(get(get_draft))
                        .route(patch(patch_draft))
                        .route(delete(discard_draft)),
                )
                .service(resource("/merchandising/drafts/{id}/preview", "POST").route(post(preview_draft)))
                .service(
                    resource("/merchandising/drafts/{id}/evaluation", "POST").route(post(evaluate_draft)),
                )
                .service(resource("/merchandising/drafts/{id}/publish", "POST").route(post(publish_draft)))
                .service(
                    resource("/merchandising/drafts/{id}/suggestions", "POST").route(post(take_suggestions)),
                )
                .service(
                    resource("/merchandising/experiments", "GET, HEAD, POST")
                        .route(get(list_experiments))
                        .route(post(start_experiment)),
                )
                .service(resource("/merchandising/experiments/{id}", "GET, HEAD").route(get(get_experiment)))
                .service(
                    resource("/merchandising/experiments/{id}/stop", "POST").route(post(stop_experiment)),
                )
                .service(resource("/merchandising/search-terms", "GET, HEAD").route(get(list_search_terms)))
                .service(resource("/merchandising/judgment-sets", "GET, HEAD").route(get(list_sets)))
                .service(
                    resource("/merchandising/judgment-sets/{set}", "DELETE, GET, HEAD, PATCH")
                        .route(get(list_judgments))
                        .route(patch(add_judgments))
                        .route(delete(remove_judgments)),
                )
                .service(resource("/merchandising/releases", "GET, HEAD").route(get(list_releases)))
                .service(resource("/merchandising/releases/{number}", "GET, HEAD").route(get(get_release)))
                .service(resource("/merchandising/releases/{number}/rollback", "POST").route(post(roll_back)))
                .service(
                    resource("/webhooks", "GET, HEAD, POST")
                        .route(get(list_webhooks))
                        .route(post(create_webhook)),
                )
                .service(
                    resource("/webhooks/{id}", "DELETE, GET, HEAD, PATCH")
                        .route(get(get_webhook))
                        .route(patch(patch_webhook))
                        .route(delete(delete_webhook)),
                )
                .service(resource("/webhooks/{id}/secret", "POST").route(post(rotate_secret)))
                .service(resource("/webhooks/{id}/deliveries", "GET, HEAD").route(get(list_deliveries)))
                .service(
                    resource("/webhooks/{id}/deliveries/{delivery_id}/retry", "POST")
                        .route(post(retry_delivery)),
                )
                .service(resource("/openapi.json", "GET, HEAD").route(get(openapi::serve))),
        )
        .service(resource("/events.js", "GET, HEAD").route(get(snippet)))
        .service(resource("/media/{key}", "GET, HEAD").route(get(get_picture)))
        .service(resource("/health/live", "GET, HEAD").route(get(live)))
        .service(resource("/health/ready", "GET, HEAD").route(get(ready)))
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/api/v1/openapi.json")))
        .default_service(web::to(nothing_here));
}

fn get<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let is_read = |context: &GuardContext<'_>| matches!(context.head().method, Method::GET | Method::HEAD);
    web::route().guard(guard::fn_guard(is_read)).to(handler)
}

fn post<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::post().to(handler)
}

fn patch<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::patch().to(handler)
}

fn delete<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::delete().to(handler)
}

/// A resource that answers other methods with those that it has.
fn resource(path: &str, allowed: &'static str) -> Resource {
    let refuse = web::to(move || async move {
        let problem = Problem::new(ErrorCode::MethodNotAllowed, format!("allowed: {allowed}"));
        Err::<HttpResponse, _>(problem.with_header(header::ALLOW, HeaderValue::from_static(allowed)))
    });
    web::resource(path).app_data(RouteFigures::default()).default_service(refuse)
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found("route"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::{App, test};

    use super::*;

    #[actix_web::test]
    async fn every_documented_route_is_there() {
        let app = test::init_service(App::new().configure(configure)).await;
        let document = serde_json::to_value(openapi::document()).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() >= 8);
        for (path, methods) in paths {
            for method in methods.as_object().expect("methods").keys() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                let request =
                    test::TestRequest::default().method(method.clone()).uri(&path.replace("{id}", "x"));
                let answer = test::call_service(&app, request.to_request()).await;
                // Without a state the handlers fail, but they are reached.
                let missing = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
                assert!(!missing.contains(&answer.status()), "{method} {path}");
            }
        }
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_problem() {
        let app = test::init_service(App::new().configure(configure)).await;
        for path in ["/", "/api/v1/users", "/api/v1/products/a/b"] {
            let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(
                answer.headers().get(header::CONTENT_TYPE).expect("a header"),
                "application/problem+json"
            );
        }
        let request = test::TestRequest::delete().uri("/api/v1/products").to_request();
        let answer = test::call_service(&app, request).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers().get(header::ALLOW).expect("a header"), "GET, HEAD, POST");
    }

    #[actix_web::test]
    async fn head_is_answered_where_get_is() {
        let app = test::init_service(App::new().configure(configure)).await;
        let request = test::TestRequest::default().method(Method::HEAD).uri("/health/live").to_request();
        assert_eq!(test::call_service(&app, request).await.status(), StatusCode::OK);
    }
}
