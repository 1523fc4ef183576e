//! Judgments of search results, in named sets.

use domain::agreement::Graded;
use domain::ids::ProductId;
use domain::judgment::{CLICKS, Judgment};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;
use crate::pg::advisory_lock::{self, Right};

/// Most judgments of a set that are read.
pub const COUNT_MAX: i64 = 1_000_000;

/// Most sets that are read.
pub const SET_COUNT_MAX: i64 = 20;
/// Most sets that people make: one is counted from clicks.
pub const OWN_SET_COUNT_MAX: i64 = SET_COUNT_MAX - 1;

/// Most judges of a set that are named.
pub const JUDGE_COUNT_MAX: i32 = 100;

/// Names of the sets.
pub async fn sets(client: &impl GenericClient) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT DISTINCT judgment_set FROM judgments ORDER BY judgment_set LIMIT $1";
    let rows = client.query_typed(SQL, &[(&SET_COUNT_MAX, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Queries that somebody judged, in whichever set.
pub async fn queries(client: &impl GenericClient, limit: i64) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT DISTINCT query FROM judgments ORDER BY query LIMIT $1";
    let rows = client.query_typed(SQL, &[(&limit, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The judgments of a set, by query and product; none when there is no such set.
pub async fn of_set(client: &impl GenericClient, set: &str) -> Result<Vec<Judgment>, StoreError> {
    const SQL: &str = "SELECT query, product_id, judge, grade, judged_at FROM judgments \
                       WHERE judgment_set = $1 ORDER BY query, product_id, judge LIMIT $2";
    let rows = client.query_typed(SQL, &[(&set, Type::TEXT), (&COUNT_MAX, Type::INT8)]).await?;
    rows.iter().map(judgment).collect()
}

fn judgment(row: &Row) -> Result<Judgment, StoreError> {
    Ok(Judgment {
        query: row.try_get(0)?,
        product_id: ProductId(row.try_get(1)?),
        judge: row.try_get(2)?,
        grade: u8::try_from(row.try_get::<_, i16>(3)?).unwrap_or(0),
        judged_at: row.try_get(4)?,
    })
}

/// A set, in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSummary {
    /// Its name.
    pub name: String,
    /// Different queries.
    pub queries: i64,
    /// Judgments.
    pub judgments: i64,
    /// Who judged, by name; the first [`JUDGE_COUNT_MAX`].
    pub judges: Vec<String>,
    /// What was judged how, for [`domain::agreement`].
    pub graded: Vec<Graded>,
}

/// Every set, by name.
pub async fn summaries(client: &impl GenericClient) -> Result<Vec<SetSummary>, StoreError> {
    const SETS: &str = "SELECT judgment_set, count(DISTINCT query), count(*), \
                        (array_agg(DISTINCT judge ORDER BY judge))[1:$2] \
                        FROM judgments GROUP BY judgment_set ORDER BY judgment_set LIMIT $1";
    const GRADED: &str = "SELECT judges, sum, squares, count(*) FROM ( \
                            SELECT count(*) AS judges, sum(grade::bigint)::bigint AS sum, \
                                   sum(grade::bigint * grade)::bigint AS squares \
                            FROM judgments WHERE judgment_set = $1 \
                            GROUP BY query, product_id HAVING count(*) > 1) AS judged \
                          GROUP BY judges, sum, squares";
    let limits = [(&SET_COUNT_MAX as _, Type::INT8), (&JUDGE_COUNT_MAX as _, Type::INT4)];
    let mut summaries = Vec::new();
    for row in client.query_typed(SETS, &limits).await? {
        let name: String = row.try_get(0)?;
        let graded = client.query_typed(GRADED, &[(&name, Type::TEXT)]).await?;
        let of_row = |row: &Row| Graded {
            judges: row.get(0),
            sum: row.get(1),
            squares: row.get(2),
            count: row.get(3),
        };
        summaries.push(SetSummary {
            name,
            queries: row.try_get(1)?,
            judgments: row.try_get(2)?,
            judges: row.try_get(3)?,
            graded: graded.iter().map(of_row).collect(),
        });
    }
    Ok(summaries)
}

/// Which judgments of a set.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The set.
    pub set: &'a str,
    /// Only of this query.
    pub query: Option<&'a str>,
    /// Only those after this one.
    pub after: Option<&'a JudgmentKey>,
}

/// What tells a judgment from the others of its set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgmentKey {
    /// The words searched for.
    pub query: String,
    /// The product judged.
    pub product_id: ProductId,
    /// Who judged.
    pub judge: String,
}

impl JudgmentKey {
    /// That of a judgment.
    pub fn of(judgment: &Judgment) -> Self {
        let Judgment { query, product_id, judge, .. } = judgment;
        Self { query: query.clone(), product_id: *product_id, judge: judge.clone() }
    }
}

/// A page of judgments, by query, product and judge.
pub async fn page(
    client: &impl GenericClient,
    selection: Selection<'_>,
    limit: i64,
) -> Result<Vec<Judgment>, StoreError> {
    const SQL: &str = "SELECT query, product_id, judge, grade, judged_at FROM judgments \
                       WHERE judgment_set = $1 AND ($2::text IS NULL OR query = $2) \
                         AND ($3::text IS NULL OR (query, product_id, judge) > ($3, $4::uuid, $5::text)) \
                       ORDER BY query, product_id, judge LIMIT $6";
    let Selection { set, query, after } = selection;
    let after_query = after.map(|key| key.query.as_str());
    let after_product = after.map(|key| key.product_id.0);
    let after_judge = after.map(|key| key.judge.as_str());
    let rows = client
        .query_typed(
            SQL,
            &[
                (&set, Type::TEXT),
                (&query, Type::TEXT),
                (&after_query, Type::TEXT),
                (&after_product, Type::UUID),
                (&after_judge, Type::TEXT),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(judgment).collect()
}

/// Removes the judgments of a set: all, those of a query, those of a product for it, that of one judge. Returns how
/// many there were.
pub async fn remove(
    transaction: &Transaction<'_>,
    set: &str,
    query: Option<&str>,
    product: Option<ProductId>,
    judge: Option<&str>,
) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM judgments WHERE judgment_set = $1 AND ($2::text IS NULL OR query = $2) \
                       AND ($3::uuid IS NULL OR product_id = $3) AND ($4::text IS NULL OR judge = $4)";
    let product = product.map(|product| product.0);
    Ok(transaction.execute(SQL, &[&set, &query, &product, &judge]).await?)
}

/// Why judgments are not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There are [`OWN_SET_COUNT_MAX`] other sets.
    Sets,
    /// The set has [`COUNT_MAX`] judgments.
    Judgments,
}

/// Waits until nobody else adds judgments: what was counted stays so until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    advisory_lock::take_within(transaction, Right::AddJudgments).await
}

/// Whether a set has room for so many more.
pub async fn room(client: &impl GenericClient, set: &str, more: i64) -> Result<Result<(), Full>, StoreError> {
    const SQL: &str = "SELECT (SELECT count(DISTINCT judgment_set) FROM judgments WHERE judgment_set NOT IN ($1, $2)), \
                       (SELECT count(*) FROM judgments WHERE judgment_set = $1)";
    let rows = client.query_typed(SQL, &[(&set, Type::TEXT), (&CLICKS, Type::TEXT)]).await?;
    let counts = rows.first().map_or((0, 0), |row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
    Ok(match counts {
        (sets, _) if sets >= OWN_SET_COUNT_MAX => Err(Full::Sets),
        (_, judgments) if judgments + more > COUNT_MAX => Err(Full::Judgments),
        _ => Ok(()),
    })
}

/// Puts these judgments in the place of all that a set has.
pub async fn replace(
    transaction: &Transaction<'_>,
    set: &str,
    judgments: &[Judgment],
) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM judgments WHERE judgment_set = $1", &[&set]).await?;
    add(transaction, set, judgments).await
}

/// Adds judgments to a set; who has judged a product for a query before has changed their mind.
pub async fn add(transaction: &Transaction<'_>, set: &str, judgments: &[Judgment]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO judgments (judgment_set, query, product_id, judge, grade, judged_at) \
                       SELECT $1, judged.* FROM unnest($2::text[], $3::uuid[], $4::text[], $5::smallint[], \
                       $6::timestamptz[]) AS judged \
                       ON CONFLICT (judgment_set, query, product_id, judge) \
                       DO UPDATE SET grade = excluded.grade, judged_at = excluded.judged_at";
    let column = |value: fn(&Judgment) -> &str| -> Vec<_> { judgments.iter().map(value).collect() };
    let products: Vec<_> = judgments.iter().map(|judgment| judgment.product_id.0).collect();
    let grades: Vec<_> = judgments.iter().map(|judgment| i16::from(judgment.grade)).collect();
    let times: Vec<_> = judgments.iter().map(|judgment| judgment.judged_at).collect();
    let (queries, judges) =
        (column(|judgment| judgment.query.as_str()), column(|judgment| judgment.judge.as_str()));
    transaction.execute(SQL, &[&set, &queries, &products, &judges, &grades, &times]).await?;
    Ok(())
}
