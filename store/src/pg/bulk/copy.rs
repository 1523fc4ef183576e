//! Rows in the binary format of COPY.

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::error::StoreError;

/// Signature, flags, and the length of no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &[0xff, 0xff];
/// Microseconds from 1970 to 2000, which PostgreSQL counts from.
const EPOCH_MICROSECOND: i64 = 946_684_800_000_000;
const EPOCH_DAY: Date = jiff::civil::date(2000, 1, 1);

/// Rows of one table; each is begun with `row` and then has every column in turn.
#[derive(Debug)]
pub struct CopyRows {
    bytes: BytesMut,
    columns: i16,
    rows: u64,
}

impl CopyRows {
    pub(in crate::pg) fn new(columns: i16) -> Self {
        Self { bytes: BytesMut::from(HEADER), columns, rows: 0 }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(in crate::pg) fn row(&mut self) -> &mut Self {
        self.rows += 1;
        self.bytes.put_i16(self.columns);
        self
    }

    pub(super) fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.field(id.as_bytes())
    }

    pub(in crate::pg) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(in crate::pg) fn bigint(&mut self, number: i64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn integer(&mut self, number: i32) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn smallint(&mut self, number: i16) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn time(&mut self, at: Timestamp) -> &mut Self {
        self.bigint(at.as_microsecond() - EPOCH_MICROSECOND)
    }

    pub(in crate::pg) fn numeric(&mut self, number: Decimal) -> &mut Self {
        let length_at = self.bytes.len();
        self.bytes.put_i32(0);
        number.to_sql(&Type::NUMERIC, &mut self.bytes).expect("every decimal is a numeric");
        let length = i32::try_from(self.bytes.len() - length_at - 4).expect("a number is short");
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        self
    }

    pub(in crate::pg) fn date(&mut self, day: Date) -> &mut Self {
        let days = day.duration_since(EPOCH_DAY).as_hours() / 24;
        self.integer(i32::try_from(days).expect("a day of this calendar"))
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.put_i32(-1);
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.put_i32(i32::try_from(bytes.len()).expect("a field is below 2 GB"));
        self.bytes.put_slice(bytes);
        self
    }

    /// Sends the rows. `into` is `table (column, …)`; `options` follow the format, such as `, FREEZE`.
    pub(in crate::pg) async fn send(
        mut self,
        transaction: &Transaction<'_>,
        into: &str,
        options: &str,
    ) -> Result<u64, StoreError> {
        if self.rows == 0 {
            return Ok(0);
        }
        self.bytes.put_slice(TRAILER);
        let sql = format!("COPY {into} FROM STDIN (FORMAT binary{options})");
        let mut sink = pin!(transaction.copy_in::<_, Bytes>(&sql).await?);
        sink.send(self.bytes.freeze()).await?;
        let copied = sink.finish().await?;
        if copied == self.rows {
            return Ok(copied);
        }
        Err(StoreError::Inconsistent(format!("{copied} of {} rows were copied", self.rows)))
    }
}
