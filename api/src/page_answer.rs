//! Pages of lists and searches that are answered as they were answered before, as long as nothing has changed.
//!
//! Only what anybody may see is kept, under the query as it was written.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, Header, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use cache::page_cache::{Page, PageCache};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;

/// Longest query that is kept.
const QUERY_LENGTH_MAX: usize = 300;

/// The pages of one API process.
#[derive(Debug, Clone)]
pub struct Pages {
    /// Of `GET /products`.
    pub lists: PageCache,
    /// Of `GET /search`.
    pub searches: PageCache,
}

impl Default for Pages {
    fn default() -> Self {
        Self { lists: PageCache::new("product_page"), searches: PageCache::new("search_page") }
    }
}

/// The page that was answered to the same query, when it is still true.
pub fn find(state: &AppState, pages: &PageCache, query: &str) -> Option<Arc<Page>> {
    let page = pages.get(query, state.products.sight(), Instant::now())?;
    let is_valid = |computed_at_ms| state.searches.is_valid(computed_at_ms, Timestamp::now());
    page.computed_at_ms().is_none_or(is_valid).then_some(page)
}

/// Keeps a page that anybody may see.
pub fn keep(pages: &PageCache, query: &str, page: &Arc<Page>) {
    if query.len() <= QUERY_LENGTH_MAX {
        pages.keep(query, page);
    }
}

/// The answer with a page's bytes, packed when the client takes it.
pub fn of_page(request: &HttpRequest, caller: &Anyone, public: &'static str, page: &Page) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    for header in cache_control::headers(caller, public) {
        answer.insert_header(header);
    }
    answer.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return answer.body(page.body().clone());
    }
    if takes_gzip(request) {
        answer.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        answer.append_header((header::VARY, HeaderValue::from_static("accept-encoding")));
        return answer.body(page.gzip(gzip).clone());
    }
    answer.body(page.body().clone())
}

/// Whether no encoding that the client names is better liked than gzip.
fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(request).ok();
    let chosen =
        accepted.and_then(|accepted| accepted.negotiate([Encoding::gzip(), Encoding::identity()].iter()));
    chosen == Some(Encoding::Known(ContentEncoding::Gzip))
}

fn gzip(body: &[u8]) -> Bytes {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes every write").into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |value: &str| {
            takes_gzip(&TestRequest::get().insert_header(("accept-encoding", value)).to_http_request())
        };
        assert!(takes("gzip") && takes("gzip, deflate, br") && takes("br;q=0.5, gzip"));
        assert!(!takes("identity") && !takes("gzip;q=0") && !takes("br"));
    }

    #[test]
    fn packed_bytes_are_the_same_bytes() {
        use std::io::Read;
        let body = b"{\"data\":[]}".repeat(100);
        let mut unpacked = Vec::new();
        let packed = gzip(&body);
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
        assert!(packed.len() < body.len());
        assert_eq!(unpacked, body);
    }
}
