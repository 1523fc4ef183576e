//! `GET /catalogue/imports/{id}`

use actix_web::{HttpResponse, web};
use store::pg::catalogue_imports::{self, CatalogueImport};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageProducts};
use crate::problem::{Problem, ReadProblems};
use crate::routes::catalogue::import_json::ImportJson;

/// How far an import is, and what it did.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue/imports/{id}",
    tag = "catalogue",
    params(("id" = String, Path, description = "Id")),
    responses((status = 200, description = "The import", body = ImportJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn get_import(
    _: Authorized<ManageProducts>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let import = find(&state, &id).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(ImportJson::from(import)))
}

/// From the primary: a standby may not know the import yet.
pub(super) async fn find(state: &AppState, id: &str) -> Result<CatalogueImport, Problem> {
    let not_found = || Problem::not_found("import");
    let id = Uuid::try_parse(id).map_err(|_| not_found())?;
    catalogue_imports::find(&**state.pools.write().await?, id).await?.ok_or_else(not_found)
}
