//! A CSV file of judgments: `query`, `product_id` and `gain` (or `grade`), a line a judgment.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use crate::query::TEXT_LENGTH_MAX;

/// Most judgments of a file.
pub const JUDGMENT_COUNT_MAX: usize = 1_000_000;
/// Longest name of a product, in bytes.
const NAME_LENGTH_MAX: usize = 200;
/// Highest gain or grade.
const GAIN_MAX: f64 = 100.0;

/// What the file says, by query: for each product, as the file names it, the mean of its gains.
pub type JudgedFile = BTreeMap<String, HashMap<String, f64>>;

/// Why a file is no list of judgments.
#[derive(Debug, thiserror::Error)]
pub enum JudgedFileError {
    /// Its first line does not name what is needed.
    #[error("the first line must name the columns query, product_id and gain (or grade); {0} is missing")]
    Column(&'static str),
    /// A line cannot be used.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1, the header being the first.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// More than [`JUDGMENT_COUNT_MAX`].
    #[error("more than {JUDGMENT_COUNT_MAX} judgments")]
    TooMany,
    /// It has only a header.
    #[error("no judgment in it")]
    Empty,
    /// It cannot be read, or is no CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
}

/// Reads the whole file. Several judgments of one product for one query count as their mean.
pub fn read(file: impl Read) -> Result<JudgedFile, JudgedFileError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let columns = Columns::of(reader.headers()?)?;
    let mut sums: BTreeMap<String, HashMap<String, (f64, u32)>> = BTreeMap::new();
    let mut count = 0_usize;
    for record in reader.records() {
        let record = record?;
        count += 1;
        if count > JUDGMENT_COUNT_MAX {
            return Err(JudgedFileError::TooMany);
        }
        let line = record.position().map_or(0, csv::Position::line);
        let judgment = columns.judgment(&record);
        let (query, product, gain) = judgment.map_err(|reason| JudgedFileError::Line { line, reason })?;
        let (sum, judges) = sums.entry(query).or_default().entry(product).or_default();
        *sum += gain;
        *judges += 1;
    }
    if sums.is_empty() {
        return Err(JudgedFileError::Empty);
    }
    let mean = |(product, (sum, judges)): (String, (f64, u32))| (product, sum / f64::from(judges));
    Ok(sums.into_iter().map(|(query, products)| (query, products.into_iter().map(mean).collect())).collect())
}

/// Where in a line is what.
struct Columns {
    query: usize,
    product: usize,
    gain: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, JudgedFileError> {
        let find = |names: &[&str]| header.iter().position(|column| names.contains(&column));
        let column = |names: &'static [&'static str]| find(names).ok_or(JudgedFileError::Column(names[0]));
        Ok(Self {
            query: column(&["query"])?,
            product: column(&["product_id", "external_id"])?,
            gain: column(&["gain", "grade"])?,
        })
    }

    fn judgment(&self, record: &csv::StringRecord) -> Result<(String, String, f64), String> {
        let field = |column: usize| record.get(column).unwrap_or_default();
        let (query, product, gain) = (field(self.query), field(self.product), field(self.gain));
        if query.is_empty() || query.chars().count() > TEXT_LENGTH_MAX {
            return Err(format!("a query has 1 to {TEXT_LENGTH_MAX} characters"));
        }
        if product.is_empty() || product.len() > NAME_LENGTH_MAX {
            return Err(format!("a product's id has 1 to {NAME_LENGTH_MAX} bytes"));
        }
        let gain = gain.parse().ok().filter(|gain| (0.0..=GAIN_MAX).contains(gain));
        let gain: f64 = gain.ok_or_else(|| format!("a gain is a number from 0 to {GAIN_MAX}"))?;
        Ok((query.to_owned(), product.to_owned(), gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn judgments_are_read_by_query() {
        let text =
            "query_id,query,product_id,gain\n0,red shoes,7,1.0\n0,red shoes,8,0\n1,\"a, b\",7,0.3333\n";
        let file = read(text.as_bytes()).expect("well-formed");
        assert_eq!(file.len(), 2);
        assert_eq!(file["red shoes"], [("7".to_owned(), 1.0), ("8".to_owned(), 0.0)].into());
        assert_eq!(file["a, b"], [("7".to_owned(), 0.3333)].into());
    }

    #[test]
    fn several_judges_count_as_their_mean() {
        let text = "query,product_id,grade,judge\nbelt,1,3,ann\nbelt,1,2,ben\nbelt,2,1,ann\n";
        let file = read(text.as_bytes()).expect("well-formed");
        assert_eq!(file["belt"], [("1".to_owned(), 2.5), ("2".to_owned(), 1.0)].into());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert!(refused("query,gain\na,1\n").contains("product_id is missing"));
        assert!(refused("query,product_id,gain\n").contains("no judgment"));
        let header = "query,product_id,gain\na,1,1\n";
        for (line, reason) in [
            (",1,1", "a query has"),
            ("a,,1", "a product's id has"),
            ("a,1,many", "a gain is"),
            ("a,1,-1", "a gain is"),
            ("a,1,NaN", "a gain is"),
            ("a,1,101", "a gain is"),
        ] {
            let refused = refused(&format!("{header}{line}\n"));
            assert!(refused.starts_with("line 3: ") && refused.contains(reason), "{line}: {refused}");
        }
        assert!(refused(&format!("{header}a,1\n")).contains("line: 3"), "a line that is too short");
        let long = "é".repeat(TEXT_LENGTH_MAX + 1);
        assert!(refused(&format!("{header}{long},1,1\n")).contains("a query has"));
    }
}
