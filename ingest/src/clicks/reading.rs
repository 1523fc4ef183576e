//! The thread that reads and checks rows, beside the one that lands their events.

use domain::behaviour::BehaviourEvent;
use domain::imported_click::{ClickRules, ImportedClick, RawClick, RefusedClick, whole_uuid};
use lake::behaviour::utc_day;
use tokio::sync::mpsc;

use super::repeats::Repeats;
use super::{ClickFormat, ImportError, ImportOptions};
use crate::input::Input;
use crate::input::records::{Record, Records};
use crate::refusals::{Refusals, Refused};

/// The columns of the format, in their order: what is left of a row that was cut short is known by its last one.
const COLUMNS: [&str; 9] = [
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
];
/// Rows that are taken together.
const BATCH_ROWS: u64 = 100_000;
/// A row of a day whose rows were forgotten: whether an equal one came before is not known.
const OUT_OF_ORDER: &str = "far out of the order of time: sort the file by event_time";
const CUT_SHORT: &str = "the last row has no line end and may be cut short";

/// Events for the lake, and how far the file was read when they were sent.
pub(super) struct Batch {
    pub(super) events: Vec<BehaviourEvent>,
    pub(super) read_bytes: u64,
    pub(super) rows_read: u64,
    pub(super) rows_refused: u64,
}

/// An open file whose header holds.
pub(super) struct Source {
    records: Records,
    rules: ClickRules,
    repeats: Repeats,
    refusals: Refusals,
    rows_read: u64,
}

/// What a file was, once it is read.
pub(super) struct Ended {
    pub(super) rows_read: u64,
    pub(super) refused: Refused,
}

impl Source {
    pub(super) fn open(options: &ImportOptions) -> Result<Self, ImportError> {
        let ClickFormat::EcommerceClicks = options.format;
        let records = Records::csv(Input::open(&options.file)?)?;
        if records.header() != COLUMNS {
            let (expected, found) = (COLUMNS.join(","), records.header().join(","));
            return Err(ImportError::Header { expected, found });
        }
        let rules = ClickRules::new(&options.channel, options.currency);
        let refusals = Refusals::open(&options.report, &options.refused)?;
        Ok(Self { records, rules, repeats: Repeats::new(), refusals, rows_read: 0 })
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.records.size_bytes()
    }

    /// Reads to the end, or until nobody receives any more.
    pub(super) fn read_all(&mut self, sender: &mpsc::Sender<Batch>) -> Result<(), ImportError> {
        let read_bytes = self.records.read_bytes();
        let mut events = Vec::new();
        while self.read_row(&mut events)? {
            let is_full = self.rows_read.is_multiple_of(BATCH_ROWS);
            if is_full && !self.send(&mut events, read_bytes.get(), sender) {
                return Ok(());
            }
        }
        self.send(&mut events, read_bytes.get(), sender);
        Ok(())
    }

    /// Closes the report and the file of refused rows.
    pub(super) fn finish(self) -> Result<Ended, ImportError> {
        let mut refused = self.refusals.finish()?;
        refused.report.flush()?;
        Ok(Ended { rows_read: self.rows_read, refused })
    }

    fn send(&self, events: &mut Vec<BehaviourEvent>, read_bytes: u64, sender: &mpsc::Sender<Batch>) -> bool {
        let (rows_read, rows_refused) = (self.rows_read, self.refusals.rows());
        let batch = Batch { events: std::mem::take(events), read_bytes, rows_read, rows_refused };
        sender.blocking_send(batch).is_ok()
    }

    fn read_row(&mut self, events: &mut Vec<BehaviourEvent>) -> Result<bool, ImportError> {
        let Some(record) = self.records.read()? else {
            return Ok(false);
        };
        self.rows_read += 1;
        match record {
            Record::Broken { line, fault, raw } => self.refusals.refuse_broken(line, &fault, raw)?,
            Record::Row { line, fields, raw, has_end } => {
                let click = click(fields);
                let parsed = match self.rules.parse(&click) {
                    // A part of a session would be another session, and the whole row another event.
                    _ if !has_end && whole_uuid(click.user_session).is_none() => {
                        Err(("cut short", CUT_SHORT.to_owned()))
                    }
                    Ok(parsed) => counted(&mut self.repeats, parsed),
                    Err(refusal) => Err((kind(&refusal), refusal.to_string())),
                };
                match parsed {
                    Ok(event) => events.push(event),
                    Err((kind, reason)) => self.refusals.refuse(line, kind, &reason, raw)?,
                }
            }
        }
        Ok(true)
    }
}

fn counted(
    repeats: &mut Repeats,
    mut click: ImportedClick,
) -> Result<BehaviourEvent, (&'static str, String)> {
    match repeats.ordinal(utc_day(&click.event), click.row) {
        Some(0) => Ok(click.event),
        Some(ordinal) => {
            click.repeat(ordinal);
            Ok(click.event)
        }
        None => Err(("out of order", OUT_OF_ORDER.to_owned())),
    }
}

fn click(fields: &[String]) -> RawClick<'_> {
    let fields = <&[String; COLUMNS.len()]>::try_from(fields).expect("as many fields as the header");
    let [event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session] =
        fields;
    RawClick {
        event_time,
        event_type,
        product_id,
        category_id,
        category_code,
        brand,
        price,
        user_id,
        user_session,
    }
}

/// The reason without the row's own values.
fn kind(refusal: &RefusedClick) -> &'static str {
    match refusal {
        RefusedClick::Empty(_) => "needed field empty",
        RefusedClick::Time(_) => "time",
        RefusedClick::Kind(_) => "kind of event",
        RefusedClick::Price(_) | RefusedClick::Amount { .. } => "price",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use domain::money::Currency;

    use super::*;

    const SESSION: &str = "72d76fde-8bb3-4e00-8c23-a032dfed738c";

    fn options(name: &str, text: &str) -> ImportOptions {
        let place = |ending: &str| -> PathBuf {
            std::env::temp_dir().join(format!("{}-clicks-{name}{ending}", std::process::id()))
        };
        std::fs::write(place(""), text).expect("written");
        ImportOptions {
            file: place(""),
            format: ClickFormat::EcommerceClicks,
            channel: "clicks".to_owned(),
            currency: Currency::USD,
            refused: place(".refused.csv"),
            report: place(".report.ndjson"),
            is_dry: true,
        }
    }

    /// The events of a file, and its refused rows as `line,reason`.
    fn read(name: &str, text: &str) -> (Vec<BehaviourEvent>, Vec<String>) {
        let options = options(name, text);
        let mut source = Source::open(&options).expect("opens");
        let mut events = Vec::new();
        while source.read_row(&mut events).expect("read") {}
        let rows = source.finish().expect("closed").refused.rows;
        let refused = rows.map_or(String::new(), |path| std::fs::read_to_string(path).expect("there"));
        for path in [&options.file, &options.refused, &options.report] {
            let _ = std::fs::remove_file(path);
        }
        let line = |row: &str| row.splitn(3, ',').take(2).collect::<Vec<_>>().join(",");
        (events, refused.lines().skip(1).map(line).collect())
    }

    fn text(rows: &[&str]) -> String {
        let rows = rows.iter().map(|row| format!("2019-10-01 00:00:00 UTC,{row}\r\n"));
        std::iter::once(format!("{}\r\n", COLUMNS.join(","))).chain(rows).collect()
    }

    #[test]
    fn equal_rows_are_events_of_their_own_whatever_ends_their_lines() {
        let row = format!("view,1,2,,acme,1.50,7,{SESSION}");
        let whole = text(&[&row, &row, &row]);
        let (events, refused) = read("equal", &whole);
        assert_eq!((events.len(), refused.len()), (3, 0));
        assert!(events[0].id != events[1].id && events[1].id != events[2].id && events[0].id != events[2].id);
        assert_eq!(read("again", &whole).0, events);
        assert_eq!(read("plain", &whole.replace('\r', "")).0, events);
    }

    #[test]
    fn a_last_row_that_was_cut_short_is_no_event() {
        let row = format!("view,1,2,,acme,1.50,7,{SESSION}");
        let whole = text(&[&row, &row]);
        let (events, _) = read("whole", &whole);
        let cut = |bytes: usize| read("cut", &whole[..whole.len() - bytes]);
        for whole_row in [0, 1, 2] {
            assert_eq!(cut(whole_row), (events.clone(), Vec::new()), "{whole_row} bytes of the line end");
        }
        for (bytes, reason) in [
            (3, format!("3,{CUT_SHORT}")),
            (37, format!("3,{CUT_SHORT}")),
            (38, format!("3,{CUT_SHORT}")),
            (39, "3,8 fields instead of 9".to_owned()),
            (60, "3,2 fields instead of 9".to_owned()),
        ] {
            assert_eq!(cut(bytes), (events[..1].to_vec(), vec![reason]), "{bytes} bytes");
        }
    }

    #[test]
    fn another_header_is_told() {
        let refused = Source::open(&options("header", "event_time,kind\n")).err().expect("other columns");
        assert!(refused.to_string().ends_with("the file has event_time,kind"), "{refused}");
    }
}
