//! Every invariant that no constraint can hold, as one named check with a figure. Reads only.
//!
//! A check that cannot end is a finding of its own, with the reason, and hides none of the others.

use std::time::{Duration, Instant};

use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::pg::audit::{CHECKS, Finding, prepare, run};
use store::pg::direct::{self, DirectClient};
use store::settings::{MongoSettings, PostgresSettings};

mod catalogue;
mod command;
mod references;

pub use command::{Audit, AuditSettings};

/// Keys that are shown of what breaks an invariant.
const SAMPLE_MAX: usize = 5;

/// Runs every check: PostgreSQL's on a standby, and the others beside it. `seen` hears of each as it ends. A shop
/// that changes meanwhile may differ between two stores for as long as a change takes from one to the other.
pub async fn audit(
    postgres: &PostgresSettings,
    mongo: &MongoSettings,
    unsent_after: Duration,
    seen: impl Fn(&Finding),
) -> Result<Vec<Finding>, StoreError> {
    let client = direct::standby(postgres).await?;
    prepare(&client, unsent_after).await?;
    let mut findings = Vec::new();
    for check in &CHECKS {
        let tally = Tally::new(check.name, check.compares);
        let found = run(&client, check).await.unwrap_or_else(|error| tally.give_up(error));
        seen(&found);
        findings.push(found);
    }
    let mongo = Mongo::connect(mongo).await?;
    for found in across_stores(&client, &mongo, unsent_after).await {
        seen(&found);
        findings.push(found);
    }
    mongo.close().await;
    Ok(findings)
}

async fn across_stores(client: &DirectClient, mongo: &Mongo, unsent_after: Duration) -> Vec<Finding> {
    let tally = Tally::new("catalogue_is_checked", "products with what belongs to them");
    let checked = catalogue::check(mongo, unsent_after).await;
    let mut findings = checked.unwrap_or_else(|error| vec![tally.give_up(error)]);
    let tally = Tally::new("references_are_checked", "what orders, stock, judgments and reviews refer to");
    let checked = references::check(client, mongo).await;
    findings.extend(checked.unwrap_or_else(|error| vec![tally.give_up(error)]));
    findings
}

/// A check that is being counted.
struct Tally {
    started: Instant,
    finding: Finding,
}

impl Tally {
    fn new(name: &'static str, compares: &'static str) -> Self {
        let finding =
            Finding { name, compares, rows: 0, violations: 0, samples: Vec::new(), elapsed: Duration::ZERO };
        Self { started: Instant::now(), finding }
    }

    /// One more was looked at.
    fn count(&mut self, holds: bool, key: impl FnOnce() -> String) {
        self.finding.rows += 1;
        if !holds {
            self.finding.violations += 1;
            if self.finding.samples.len() < SAMPLE_MAX {
                self.finding.samples.push(key());
            }
        }
    }

    /// It could not be counted to the end: as bad as a violation, because nobody knows.
    fn give_up(mut self, error: StoreError) -> Finding {
        self.count(false, || format!("not finished: {:#}", anyhow::Error::from(error)));
        self.end()
    }

    fn end(self) -> Finding {
        Finding { elapsed: self.started.elapsed(), ..self.finding }
    }
}
