//! What became of the runs of a command: one JSON line per run, kept.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Violations of one run that are kept in words; more are only counted.
const VIOLATIONS_MAX: usize = 20;

/// Where the runs of a kind of fault are kept: `target/faults/<name>.ndjson` of the checkout.
pub fn file(name: &str) -> PathBuf {
    let checkout = std::env::var_os("ENTREPOT_CHECKOUT").map_or_else(|| PathBuf::from("."), PathBuf::from);
    checkout.join("target/faults").join(format!("{name}.ndjson"))
}

/// A count as results have it.
pub fn figure(count: usize) -> u64 {
    u64::try_from(count).expect("a count fits 64 bits")
}

/// Adds a run.
pub fn append(file: &Path, line: &impl Serialize) -> anyhow::Result<()> {
    let folder = file.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    let appended = File::options().create(true).append(true).open(file);
    appended.and_then(|mut lines| lines.write_all(&line)).with_context(|| format!("write {}", file.display()))
}

/// Every run that was kept; none without a file. A line of another form, such as an older one, is an error.
pub fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<Vec<T>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
    };
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str::<T>(line).with_context(|| {
            let number = number + 1;
            format!("{}, line {number}: it has another form; the file may be moved away", file.display())
        })
    };
    text.lines().enumerate().map(line).collect()
}

/// As many violations as a line should hold, and how many more there are.
pub fn shortened(mut violations: Vec<String>) -> Vec<String> {
    let more = violations.len().saturating_sub(VIOLATIONS_MAX);
    if more > 0 {
        violations.truncate(VIOLATIONS_MAX);
        violations.push(format!("and {more} more"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Line {
        seed: u64,
    }

    #[test]
    fn lines_survive_their_file() {
        let folder = support::files::folder("faults");
        let file = folder.join("deeper/lines.ndjson");
        assert!(read::<Line>(&file).expect("no file is no error").is_empty());
        let lines = [Line { seed: 7 }, Line { seed: 8 }];
        lines.iter().for_each(|line| append(&file, line).expect("written"));
        assert_eq!(read::<Line>(&file).expect("read"), lines);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        let folder = support::files::folder("faults");
        let file = folder.join("lines.ndjson");
        fs::write(&file, "{\"seed\":7}\n{\"target\":\"api\"}\n").expect("written");
        let error = read::<Line>(&file).expect_err("the second line has no seed").to_string();
        assert!(error.contains("lines.ndjson, line 2") && error.contains("moved away"), "{error}");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_line_holds_so_many_violations() {
        let many = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(shortened(many(VIOLATIONS_MAX)), many(VIOLATIONS_MAX));
        let shortened = shortened(many(25));
        assert_eq!(shortened.len(), VIOLATIONS_MAX + 1);
        assert_eq!(shortened.last().map(String::as_str), Some("and 5 more"));
    }
}
