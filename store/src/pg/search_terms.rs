//! The report on what shoppers search for.

use domain::ids::ProductId;
use domain::judgment::Judgment;
use domain::search_term::{SUGGESTED_VISITORS_MIN, SearchTerm, SearchTermOrder, SearchTerms};
use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, Row, Transaction};
use uuid::Uuid;

use crate::error::StoreError;
use crate::pg::{judgments, transaction};

/// Most terms that are read at once.
pub const LIMIT_MAX: i64 = 20_000;

/// What one run of the report brings.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Channel that was counted.
    pub channel: &'a str,
    /// What was counted.
    pub report: &'a SearchTerms,
    /// When.
    pub as_of: Timestamp,
    /// Judgments that follow from clicks, and the set that they are put into the place of.
    pub judgments: Option<(&'a str, &'a [Judgment])>,
}

/// What is read of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The window, all its searches, and the terms asked for.
    pub report: SearchTerms,
    /// When it was counted.
    pub as_of: Timestamp,
}

/// Replaces the report of a channel, and the judgments that follow from its clicks, in one transaction.
pub async fn publish(client: &mut Client, publication: &Publication<'_>) -> Result<(), StoreError> {
    transaction::run_direct(client, "publish_search_terms", async |transaction| {
        delete(transaction, publication.channel).await?;
        insert(transaction, publication).await?;
        match publication.judgments {
            Some((set, judged)) => judgments::replace(transaction, set, judged).await,
            None => Ok(()),
        }
    })
    .await
}

/// Forgets the report of a channel that has no events any more, and the judgments that followed from its clicks.
pub async fn forget(client: &mut Client, channel: &str, set: Option<&str>) -> Result<(), StoreError> {
    transaction::run_direct(client, "forget_search_terms", async |transaction| {
        delete(transaction, channel).await?;
        match set {
            Some(set) => judgments::replace(transaction, set, &[]).await,
            None => Ok(()),
        }
    })
    .await
}

async fn delete(transaction: &Transaction<'_>, channel: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM report_search_windows WHERE channel = $1", &[&channel]).await?;
    Ok(())
}

async fn insert(transaction: &Transaction<'_>, publication: &Publication<'_>) -> Result<(), StoreError> {
    const WINDOW: &str = "INSERT INTO report_search_windows (channel, first_day, last_day, searches, as_of) \
                          VALUES ($1, $2, $3, $4, $5)";
    const TERMS: &str = "INSERT INTO report_search_terms (channel, term, searches, sessions, visitors, \
                         counted, without_results, clicked, reformulated, reformulated_to, \
                         reformulated_to_sessions, top_product, sales, waited_ms_p95) \
                         SELECT $1, report.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
                         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], \
                         $12::uuid[], $13::bigint[], $14::bigint[]) AS report";
    fn column<'a, T>(terms: &'a [SearchTerm], value: impl Fn(&'a SearchTerm) -> T) -> Vec<T> {
        terms.iter().map(value).collect()
    }
    let Publication { channel, report: SearchTerms { from, to, searches, terms }, as_of, .. } = publication;
    transaction.execute(WINDOW, &[channel, from, to, searches, as_of]).await?;
    transaction
        .execute(
            TERMS,
            &[
                channel,
                &column(terms, |term| term.term.as_str()),
                &column(terms, |term| term.searches),
                &column(terms, |term| term.sessions),
                &column(terms, |term| term.visitors),
                &column(terms, |term| term.counted),
                &column(terms, |term| term.without_results),
                &column(terms, |term| term.clicked),
                &column(terms, |term| term.reformulated),
                &column(terms, |term| term.reformulated_to.as_deref()),
                &column(terms, |term| term.reformulated_to_sessions),
                &column(terms, |term| term.top_product.map(|product| product.0)),
                &column(terms, |term| term.sales),
                &column(terms, |term| term.waited_ms_p95),
            ],
        )
        .await?;
    Ok(())
}

const COLUMNS: &str = "term, report.searches, sessions, visitors, counted, without_results, clicked, \
                       reformulated, reformulated_to, reformulated_to_sessions, top_product, sales, waited_ms_p95";

/// The first terms of a channel's report in that order; `None` when the channel was never counted. One statement: two
/// could be answered by two standbys.
pub async fn read(
    client: &impl GenericClient,
    channel: &str,
    order: SearchTermOrder,
    limit: i64,
) -> Result<Option<Published>, StoreError> {
    let (holds, order) = clauses(order);
    let sql = format!(
        "SELECT {COLUMNS}, counted_window.searches, first_day, last_day, as_of \
         FROM report_search_windows counted_window LEFT JOIN report_search_terms report \
           ON report.channel = counted_window.channel AND {holds} \
         WHERE counted_window.channel = $1 ORDER BY {order}, term LIMIT $2"
    );
    let limit = limit.min(LIMIT_MAX);
    let rows = client.query_typed(&sql, &[(&channel, Type::TEXT), (&limit, Type::INT8)]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let has_term = |row: &&Row| row.get::<_, Option<&str>>(0).is_some();
    let terms = rows.iter().filter(has_term).map(search_term).collect();
    let report = SearchTerms { searches: first.get(13), from: first.get(14), to: first.get(15), terms };
    Ok(Some(Published { report, as_of: first.get(16) }))
}

/// The named terms of a channel's report, those of them that there are.
pub async fn named(
    client: &impl GenericClient,
    channel: &str,
    terms: &[String],
) -> Result<Vec<SearchTerm>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM report_search_terms report WHERE channel = $1 AND term = ANY ($2) ORDER BY term"
    );
    let rows = client.query_typed(&sql, &[(&channel, Type::TEXT), (&terms, Type::TEXT_ARRAY)]).await?;
    Ok(rows.iter().map(search_term).collect())
}

/// Terms of enough visitors of which a result was clicked, and how often they are searched for; most frequent first.
pub async fn popular(
    client: &impl GenericClient,
    channel: &str,
    limit: i64,
) -> Result<Vec<(String, i64)>, StoreError> {
    const SQL: &str = "SELECT term, searches FROM report_search_terms WHERE channel = $1 AND clicked > 0 \
                       AND visitors >= $3 ORDER BY searches DESC, term LIMIT $2";
    let limit = limit.min(LIMIT_MAX);
    let parameters = [
        (&channel as &(dyn ToSql + Sync), Type::TEXT),
        (&limit, Type::INT8),
        (&SUGGESTED_VISITORS_MIN, Type::INT8),
    ];
    let rows = client.query_typed(SQL, &parameters).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Which terms belong into that order, and the order.
fn clauses(order: SearchTermOrder) -> (&'static str, &'static str) {
    match order {
        SearchTermOrder::Searches => ("true", "report.searches DESC"),
        SearchTermOrder::WithoutResults => ("without_results > 0", "without_results DESC"),
        // Of what found something: a term without results is no matter of clicks.
        SearchTermOrder::WithoutClicks => (
            "report.searches - clicked - without_results > 0",
            "report.searches - clicked - without_results DESC",
        ),
        SearchTermOrder::Reformulated => ("reformulated > 0", "reformulated DESC"),
        SearchTermOrder::Sales => ("sales > 0", "sales DESC"),
        SearchTermOrder::Waits => ("waited_ms_p95 > 0", "waited_ms_p95 DESC"),
    }
}

fn search_term(row: &Row) -> SearchTerm {
    SearchTerm {
        term: row.get(0),
        searches: row.get(1),
        sessions: row.get(2),
        visitors: row.get(3),
        counted: row.get(4),
        without_results: row.get(5),
        clicked: row.get(6),
        reformulated: row.get(7),
        reformulated_to: row.get(8),
        reformulated_to_sessions: row.get(9),
        top_product: row.get::<_, Option<Uuid>>(10).map(ProductId),
        sales: row.get(11),
        waited_ms_p95: row.get(12),
    }
}
