//! All findings, for people (lines) and for programs (JSON).

use std::fmt::{Display, Formatter};

use serde_json::{Value, json};

use super::{Check, Finding, Mend};

/// What the doctor found, in the order of the catalogue.
pub struct Report {
    findings: Vec<(&'static Check, Finding)>,
}

impl Report {
    pub(super) fn new(findings: impl IntoIterator<Item = (&'static Check, Finding)>) -> Self {
        Self { findings: findings.into_iter().collect() }
    }

    /// The finding of a check.
    #[must_use]
    pub fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|(check, _)| check.code == code).map(|(_, finding)| finding)
    }

    /// The codes of what does not work.
    #[must_use]
    pub fn failures(&self) -> Vec<&'static str> {
        let failed = self.findings.iter().filter(|(_, finding)| matches!(finding, Finding::Failure(_)));
        failed.map(|(check, _)| check.code).collect()
    }

    /// The codes of what works, but not as intended.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let warned = self.findings.iter().filter(|(_, finding)| matches!(finding, Finding::Warning(_)));
        warned.map(|(check, _)| check.code).collect()
    }

    /// The findings as programs read them.
    #[must_use]
    pub fn json(&self) -> Value {
        let checks: Vec<Value> = self.findings.iter().map(|(check, finding)| of(check, finding)).collect();
        json!({ "failures": self.failures().len(), "warnings": self.warnings().len(), "checks": checks })
    }

    /// Only what is not as it should be.
    #[must_use]
    pub fn troubles(&self) -> String {
        let troubled = self.findings.iter().filter(|(_, finding)| finding.trouble().is_some());
        troubled.map(|(check, finding)| lines(check, finding)).collect()
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let mut group = None;
        for (check, finding) in &self.findings {
            if group != Some(check.group) {
                group = Some(check.group);
                writeln!(formatter, "{:?}", check.group)?;
            }
            formatter.write_str(&lines(check, finding))?;
        }
        let (failed, warned) = (self.failures().len(), self.warnings().len());
        let skipped =
            self.findings.iter().filter(|(_, finding)| matches!(finding, Finding::Skipped(_))).count();
        let well = self.findings.len() - failed - warned - skipped;
        write!(formatter, "{well} well, {warned} warnings, {failed} failures, {skipped} skipped")
    }
}

fn of(check: &Check, finding: &Finding) -> Value {
    let mut value = json!({
        "code": check.code, "group": check.group, "title": check.title, "verdict": verdict(finding),
    });
    let details = match finding {
        Finding::Well(words) => json!({ "seen": words }),
        Finding::Skipped(words) => json!({ "reason": words }),
        Finding::Warning(trouble) | Finding::Failure(trouble) => json!(trouble),
    };
    if let (Value::Object(value), Value::Object(details)) = (&mut value, details) {
        value.extend(details);
    }
    value
}

fn verdict(finding: &Finding) -> &'static str {
    match finding {
        Finding::Well(_) => "ok",
        Finding::Warning(_) => "warn",
        Finding::Failure(_) => "fail",
        Finding::Skipped(_) => "skipped",
    }
}

fn lines(check: &Check, finding: &Finding) -> String {
    let Check { code, title, .. } = check;
    let mark = verdict(finding);
    match finding {
        Finding::Well(words) => format!("  {mark:7} {title}: {words}\n"),
        Finding::Skipped(words) => format!("  {mark:7} {title}: {words}\n"),
        Finding::Warning(trouble) | Finding::Failure(trouble) => {
            let (label, mend) = match &trouble.mend {
                Mend::Command(line) => ("run:", line),
                Mend::Action(words) => ("mend:", words),
            };
            format!(
                "  {mark:7} {title} [{code}]\n          seen:  {}\n          cause: {}\n          {label:6} {mend}\n",
                trouble.seen, trouble.cause
            )
        }
    }
}
