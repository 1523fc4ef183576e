//! `GET /catalogue/imports/{id}/report`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::catalogue_imports;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageProducts};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::catalogue::get_import::find;
use crate::routes::catalogue::import_json::ImportEntryJson;

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListImportEntries {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListImportEntries {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportEntryPage {
    /// In the order of the file.
    #[schema(value_type = Vec<ImportEntryJson>)]
    data: Vec<serde_json::Value>,
    /// Where the next page begins.
    page: Page,
}

/// What became of each row that was not simply the same, the first 10,000 of them. While the import runs the last page
/// grows.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue/imports/{id}/report",
    tag = "catalogue",
    params(("id" = String, Path, description = "Id"), ListImportEntries),
    responses((status = 200, description = "A page of the report", body = ImportEntryPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_import_entries(
    _: Authorized<ManageProducts>,
    id: web::Path<String>,
    query: FromQuery<ListImportEntries>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListImportEntries { cursor, limit }) = query;
    let import = find(&state, &id).await?.id;
    let list = format!("import entries {import}");
    let after = cursor.map(|cursor| state.cursors.open::<i64>(&list, &cursor)).transpose()?.unwrap_or(0);
    let client = state.pools.write().await?;
    let mut found = catalogue_imports::entries(&**client, import, after, i64::from(limit) + 1).await?;
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|(number, _)| state.cursors.seal(&list, number));
    let data = found.into_iter().map(|(_, entry)| entry).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(ImportEntryPage { data, page }))
}
