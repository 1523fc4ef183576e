//! A report as a Parquet file in memory: whole columns, nothing missing.

use std::sync::Arc;

use jiff::civil::Date;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

/// Digits of a decimal, and the bytes that hold them.
const DECIMAL_PRECISION: i32 = 38;
const DECIMAL_BYTES: i32 = 16;
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the report is no Parquet file")]
pub struct ReportFileError(#[from] ParquetError);

/// The values of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Days.
    Dates(Vec<Date>),
    /// Words.
    Texts(Vec<String>),
    /// Whole numbers.
    Counts(Vec<i64>),
    /// Exact decimals of 38 digits.
    Decimals {
        /// Digits after the point.
        scale: u32,
        /// The numbers without their point.
        units: Vec<i128>,
    },
}

/// The file of those columns, each with its name; all of one length.
pub fn to_parquet(columns: &[(&str, Values)]) -> Result<Vec<u8>, ReportFileError> {
    let fields = columns.iter().map(|(name, values)| field(name, values)).collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("report").with_fields(fields).build()?);
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (_, values) in columns {
        write(&mut group, values)?;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

fn field(name: &str, values: &Values) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match values {
        Values::Dates(_) => (Physical::INT32, Some(LogicalType::Date)),
        Values::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Counts(_) => (Physical::INT64, None),
        Values::Decimals { scale, .. } => {
            let scale = i32::try_from(*scale).unwrap_or(DECIMAL_PRECISION);
            let logical = LogicalType::decimal(scale, DECIMAL_PRECISION);
            let builder = Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_length(DECIMAL_BYTES)
                .with_precision(DECIMAL_PRECISION)
                .with_scale(scale)
                .with_repetition(Repetition::REQUIRED);
            return builder.with_logical_type(Some(logical)).build().map(Arc::new);
        }
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED);
    builder.with_logical_type(logical).build().map(Arc::new)
}

fn write(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &Values) -> Result<(), ParquetError> {
    match values {
        Values::Dates(dates) => {
            let days = dates.iter().map(|date| i32::try_from(date.duration_since(EPOCH).as_hours() / 24));
            let days: Result<Vec<_>, _> = days.collect();
            column::<Int32Type>(group, &days.map_err(|error| ParquetError::External(error.into()))?)
        }
        Values::Texts(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| ByteArray::from(text.as_str())).collect();
            column::<ByteArrayType>(group, &texts)
        }
        Values::Counts(counts) => column::<Int64Type>(group, counts),
        Values::Decimals { units, .. } => {
            let bytes = |unit: &i128| FixedLenByteArray::from(unit.to_be_bytes().to_vec());
            column::<FixedLenByteArrayType>(group, &units.iter().map(bytes).collect::<Vec<_>>())
        }
    }
}

fn column<D: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[D::T],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".to_owned()));
    };
    column.typed::<D>().write_batch(values, None, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let columns = [
            ("date", Values::Dates(vec![jiff::civil::date(2010, 12, 1), EPOCH])),
            ("product", Values::Texts(vec!["85123A".to_owned(), String::new()])),
            ("orders", Values::Counts(vec![7, -1])),
            ("net_revenue", Values::Decimals { scale: 2, units: vec![-1_050, 3] }),
        ];
        let file = Bytes::from(to_parquet(&columns).expect("a file"));
        let reader = SerializedFileReader::new(file).expect("Parquet");
        let rows: Vec<_> =
            reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains("2010-12-01") && rows[0].contains("85123A"), "{}", rows[0]);
        assert!(rows[0].contains("orders: 7") && rows[0].contains("-10.50"), "{}", rows[0]);
    }

    #[test]
    fn a_report_without_rows_has_its_columns() {
        let file = Bytes::from(to_parquet(&[("orders", Values::Counts(Vec::new()))]).expect("a file"));
        let reader = SerializedFileReader::new(file).expect("Parquet");
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
        assert_eq!(reader.metadata().file_metadata().schema().get_fields().len(), 1);
    }
}
