//! What the replica set says about itself, for metrics. Its user needs the role `clusterMonitor` where access is
//! controlled.

use bson::{Bson, Document, doc};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;

/// The primary's counters and the members as it sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct MongoStatistics {
    /// Open connections of clients.
    pub connections: u64,
    /// Operations since its start, by kind: `insert`, `query`, `update`, `delete`, `getmore`, `command`.
    pub operations: Vec<(String, u64)>,
    /// Bytes in the storage engine's cache.
    pub cache_bytes: u64,
    /// Bytes that the cache may take.
    pub cache_bytes_max: u64,
    /// Every configured member.
    pub members: Vec<MongoMember>,
}

/// A member of the replica set.
#[derive(Debug, Clone, PartialEq)]
pub struct MongoMember {
    /// `host:port`
    pub address: String,
    /// Whether it answers the primary.
    pub is_up: bool,
    /// Whether it takes writes.
    pub is_primary: bool,
    /// How far its last operation is behind the primary's, in seconds.
    pub lag_seconds: f64,
}

/// Asks the primary.
pub async fn statistics(mongo: &Mongo) -> Result<MongoStatistics, StoreError> {
    let admin = mongo.database.client().database("admin");
    let server = admin.run_command(doc! {"serverStatus": 1}).await?;
    let set = admin.run_command(doc! {"replSetGetStatus": 1}).await?;
    let members = set.get_array("members").map_err(|error| inconsistent(&error))?;
    let members: Vec<_> = members.iter().filter_map(Bson::as_document).collect();
    let newest_ms = members.iter().filter_map(|member| operation_ms(member)).max().unwrap_or(0);
    let cache = document(document(&server, "wiredTiger")?, "cache")?;
    Ok(MongoStatistics {
        connections: number(document(&server, "connections")?, "current"),
        operations: operations(document(&server, "opcounters")?),
        cache_bytes: number(cache, "bytes currently in the cache"),
        cache_bytes_max: number(cache, "maximum bytes configured"),
        members: members.iter().map(|status| member(status, newest_ms)).collect(),
    })
}

fn operations(counters: &Document) -> Vec<(String, u64)> {
    const KINDS: [&str; 6] = ["insert", "query", "update", "delete", "getmore", "command"];
    KINDS.iter().map(|kind| ((*kind).to_owned(), number(counters, kind))).collect()
}

fn member(status: &Document, newest_ms: i64) -> MongoMember {
    let behind_ms = newest_ms - operation_ms(status).unwrap_or(newest_ms);
    MongoMember {
        address: status.get_str("name").unwrap_or_default().to_owned(),
        is_up: number(status, "health") == 1,
        is_primary: status.get_str("stateStr").is_ok_and(|state| state == "PRIMARY"),
        lag_seconds: u32::try_from(behind_ms).map_or(0.0, f64::from) / 1_000.0,
    }
}

fn operation_ms(status: &Document) -> Option<i64> {
    status.get_datetime("optimeDate").ok().map(|time| time.timestamp_millis())
}

fn document<'a>(parent: &'a Document, key: &str) -> Result<&'a Document, StoreError> {
    parent.get_document(key).map_err(|error| inconsistent(&error))
}

fn inconsistent(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("a status of MongoDB: {error}"))
}

/// The server chooses the type of a number by its size.
fn number(parent: &Document, key: &str) -> u64 {
    match parent.get(key) {
        Some(Bson::Int32(number)) => u64::try_from(*number).unwrap_or(0),
        Some(Bson::Int64(number)) => u64::try_from(*number).unwrap_or(0),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps it in range")]
        Some(Bson::Double(number)) => *number as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;

    use super::*;

    #[test]
    fn a_member_is_as_far_behind_as_its_last_operation() {
        let status = doc! {
            "name": "127.0.0.1:1", "health": 1.0, "stateStr": "SECONDARY",
            "optimeDate": DateTime::from_millis(8_500)
        };
        let seen = member(&status, 10_000);
        assert!(seen.is_up && !seen.is_primary);
        assert!((seen.lag_seconds - 1.5).abs() < 1e-9, "{seen:?}");
        assert!(!member(&doc! {"name": "a", "health": 0.0}, 10_000).is_up);
    }

    #[test]
    fn a_number_may_be_of_any_type() {
        let numbers = doc! {"a": 1, "b": 2_i64, "c": 3.0, "d": -1, "e": "x"};
        let read: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|key| number(&numbers, key)).into();
        assert_eq!(read, [1, 2, 3, 0, 0, 0]);
    }
}
