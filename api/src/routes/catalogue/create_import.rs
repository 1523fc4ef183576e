//! `POST /catalogue/imports`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use store::error::{MayBeStoreError, StoreError};
use store::pg::catalogue_imports::{self, CatalogueImport, MAP_NAMES, NewImport};
use store::pg::idempotency::{self, KeyScope, StoredAnswer};
use store::pg::transaction;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageProducts};
use crate::error_code::ErrorCode;
use crate::idempotency::{IdempotencyKey, derived_id, reused};
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::catalogue::import_json::ImportJson;
use crate::routes::catalogue::upload::{self, Upload};

/// Where imports are.
pub const PATH: &str = "/api/v1/catalogue/imports";
/// How long a body may take and a client may wait.
pub const ARRIVAL_AND_WAIT: Duration =
    Duration::from_secs(upload::ARRIVAL_TIMEOUT.as_secs() + WAIT_MAX_SECONDS);
const ROUTE: &str = "POST /catalogue/imports";
/// Body types and their formats.
const FORMATS: [(&str, &str); 2] = [("text/csv", "csv"), ("application/x-ndjson", "ndjson")];
/// Most imports that wait or run.
const WAITING_MAX: i64 = 100;
/// Longest wait that a client may ask for.
const WAIT_MAX_SECONDS: u64 = 30;
const POLL_PERIOD: Duration = Duration::from_millis(200);

/// How to read the body.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CreateImport {
    /// Column map: `entrepot` (our own fields), `fashion-styles`, `judged-search` or `products-ndjson`.
    #[param(value_type = String, default = "entrepot", required = false, max_length = 60)]
    pub map: &'static str,
    /// Write nothing, tell what would change.
    #[param(default = false, required = false)]
    pub dry_run: bool,
}

impl ReadQuery for CreateImport {
    fn read(parameters: &mut Parameters) -> Self {
        let maps = MAP_NAMES.map(|name| (name, name));
        Self {
            map: parameters.choice("map", &maps).unwrap_or(MAP_NAMES[0]),
            dry_run: parameters.choice("dry_run", &[("true", true), ("false", false)]).unwrap_or(false),
        }
    }
}

/// Imports products from a file of at most 64 MiB. The answer comes at once; the import goes on behind it.
#[utoipa::path(
    post,
    path = "/api/v1/catalogue/imports",
    tag = "catalogue",
    params(
        CreateImport,
        ("Idempotency-Key" = String, Header, description = "New for each import, the same for repeats"),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip`, `zstd` or `identity`"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds (30 at most) for the end"),
    ),
    request_body(
        description = "A header and rows, or one object a line; lines of at most 1 MiB",
        content((String = "text/csv"), (String = "application/x-ndjson")),
    ),
    responses(
        (status = 201, description = "The import has ended while the client waited", body = ImportJson,
         headers(("Location" = String), ("Preference-Applied" = String))),
        (status = 202, description = "The import is in the queue", body = ImportJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create_import(
    caller: Authorized<ManageProducts>,
    key: IdempotencyKey,
    query: FromQuery<CreateImport>,
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(CreateImport { map, dry_run }) = query;
    let format = format(&request)?;
    upload::check_head(&request)?;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let upload = upload::keep(&state.pools, body).await?;
    let upload_id = upload.id;
    let import = NewImport {
        id: derived_id(scope),
        upload_id,
        format,
        map: map.to_owned(),
        dry_run,
        actor: actor.clone(),
        size_bytes: upload.size_bytes.cast_signed(),
    };
    let queued = enqueue(&state, scope, &upload, &import).await;
    if was_surely_not_queued(&queued) {
        upload::drop_upload(&state.pools, upload_id).await;
    }
    queued?;
    let wait = wait_seconds(&request);
    let import = wait_for_end(&state, import.id, wait.unwrap_or(0)).await?;
    Ok(answer(import, wait))
}

/// Puts the import into the queue, once per key. `false`: it was done before.
async fn enqueue(
    state: &AppState,
    scope: KeyScope<'_>,
    upload: &Upload,
    import: &NewImport,
) -> Result<bool, Problem> {
    let NewImport { format, map, dry_run, .. } = import;
    let fingerprint =
        Sha256::new().chain_update(&upload.digest).chain_update(format!("{format} {map} {dry_run}"));
    let fingerprint = fingerprint.finalize().to_vec();
    transaction::run(&state.pools, "create_catalogue_import", async |transaction| {
        if !idempotency::lock(transaction, scope).await? {
            let detail = "wait for the answer of the first request with this key, or send it again later";
            return Err(Problem::new(ErrorCode::RequestInProgress, detail));
        }
        if let Some(answer) = idempotency::find(transaction, scope).await? {
            return if answer.fingerprint == fingerprint { Ok(false) } else { Err(reused()) };
        }
        if catalogue_imports::waiting(transaction).await? >= WAITING_MAX {
            return Err(Problem::unavailable(format!("{WAITING_MAX} imports wait already")));
        }
        match catalogue_imports::insert(transaction, import).await {
            // Its answer has expired before the import itself.
            Err(StoreError::Conflict { .. }) => return Err(reused()),
            inserted => inserted?,
        }
        // A repeat is answered with the import as it stands then, so nothing but its address is kept.
        let answer = StoredAnswer {
            fingerprint: fingerprint.clone(),
            status: StatusCode::ACCEPTED.as_u16(),
            location: Some(location(import.id)),
            etag: None,
            body: Vec::new(),
        };
        idempotency::insert(transaction, scope, &answer).await?;
        Ok(true)
    })
    .await
}

/// After an error of the store the commit may have happened, and the import needs its upload then. An upload without an
/// import is swept later.
fn was_surely_not_queued(queued: &Result<bool, Problem>) -> bool {
    match queued {
        Ok(is_queued) => !is_queued,
        Err(problem) => problem.store_error().is_none(),
    }
}

fn format(request: &HttpRequest) -> Result<&'static str, Problem> {
    let found = FORMATS.iter().find(|(media_type, _)| request.content_type() == *media_type);
    found.map(|(_, format)| *format).ok_or_else(|| {
        let types = FORMATS.map(|(media_type, _)| media_type).join(", ");
        Problem::new(ErrorCode::UnsupportedMediaType, format!("send {types}"))
            .with_header(header::ACCEPT, HeaderValue::from_static("text/csv, application/x-ndjson"))
    })
}

/// `wait` of RFC 7240, at most [`WAIT_MAX_SECONDS`]; what cannot be read is no preference.
fn wait_seconds(request: &HttpRequest) -> Option<u64> {
    let headers = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
    let wait = headers.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, seconds) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds.trim().trim_matches('"').parse().ok())?
    });
    wait.filter(|&seconds: &u64| seconds > 0).map(|seconds| seconds.min(WAIT_MAX_SECONDS))
}

async fn wait_for_end(state: &AppState, id: Uuid, seconds: u64) -> Result<CatalogueImport, Problem> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        // From the primary: a standby may not know the import yet.
        let import = catalogue_imports::find(&**state.pools.write().await?, id).await?;
        let import = import.ok_or_else(|| Problem::internal("an import in the queue is gone"))?;
        if import.finished_at.is_some() || Instant::now() >= deadline {
            return Ok(import);
        }
        tokio::time::sleep(POLL_PERIOD).await;
    }
}

fn answer(import: CatalogueImport, wait: Option<u64>) -> HttpResponse {
    let has_ended = import.finished_at.is_some();
    let mut answer = HttpResponse::build(if has_ended { StatusCode::CREATED } else { StatusCode::ACCEPTED });
    answer.insert_header((header::LOCATION, location(import.id)));
    if let Some(seconds) = wait {
        let name = HeaderName::from_static("preference-applied");
        answer.insert_header((name, format!("wait={seconds}")));
    }
    answer.json(ImportJson::from(import))
}

fn location(id: Uuid) -> String {
    format!("{PATH}/{id}")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn an_upload_is_kept_while_its_import_may_be_queued() {
        assert!(was_surely_not_queued(&Ok(false)) && was_surely_not_queued(&Err(reused())));
        assert!(!was_surely_not_queued(&Ok(true)));
        let unknown = StoreError::unavailable("no standby has confirmed the commit yet");
        assert!(!was_surely_not_queued(&Err(unknown.into())));
    }

    #[test]
    fn a_preference_is_read_or_ignored() {
        let wait = |value: &str| {
            wait_seconds(&TestRequest::post().insert_header(("prefer", value)).to_http_request())
        };
        assert_eq!(wait("respond-async, wait=5"), Some(5));
        assert_eq!(wait("Wait=500"), Some(WAIT_MAX_SECONDS));
        assert_eq!((wait("wait=0"), wait("wait=soon"), wait("return=minimal")), (None, None, None));
    }
}
