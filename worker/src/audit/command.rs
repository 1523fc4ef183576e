//! `worker audit`: its arguments and its report.

use std::time::Duration;

use serde::Deserialize;
use store::pg::audit::Finding;
use store::settings::{MongoSettings, PostgresSettings};

/// Where the stores are.
#[derive(Debug, Deserialize)]
pub struct AuditSettings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
}

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// From how many seconds on an event that is not sent is late
    #[arg(long, default_value_t = 60)]
    pub unsent_after: u64,
}

impl Audit {
    /// Runs every check and prints it; an error when an invariant is broken.
    pub async fn run(self, settings: &AuditSettings) -> anyhow::Result<()> {
        println!("  {:<32} {:>12} {:>10} {:>8}  compares", "check", "rows", "violations", "seconds");
        let unsent_after = Duration::from_secs(self.unsent_after);
        let findings = super::audit(&settings.postgres, &settings.mongo, unsent_after, print).await?;
        let broken: Vec<_> =
            findings.iter().filter(|finding| finding.violations > 0).map(|finding| finding.name).collect();
        anyhow::ensure!(broken.is_empty(), "broken: {}", broken.join(", "));
        println!("{} invariants hold", findings.len());
        Ok(())
    }
}

fn print(finding: &Finding) {
    let Finding { name, compares, rows, violations, samples, elapsed } = finding;
    let seconds = elapsed.as_secs_f64();
    println!("  {name:<32} {rows:>12} {violations:>10} {seconds:>8.2}  {compares}");
    for sample in samples {
        println!("      such as {sample}");
    }
}
