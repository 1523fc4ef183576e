//! The columns of an event: their types, and the way from events to them and back.

use std::io::Write;
use std::num::TryFromIntError;

use domain::behaviour::{BehaviourEvent, BehaviourKind, SeenExperiment};
use domain::experiment::Arm;
use domain::ids::{EventId, ExperimentId, OrderId, ProductId, SessionId, UserId, VariantId};
use domain::money::{Currency, Money};
use jiff::Timestamp;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use std::sync::Arc;
use uuid::Uuid;

/// The column that never repeats.
pub(crate) const ID: &str = "id";

enum Kind {
    Bytes,
    Text,
    Time,
    Int32,
    Int64,
}

/// Name, type, and whether every event has it; in the order that [`write`] and [`event`] take them.
const COLUMNS: [(&str, Kind, bool); 17] = [
    (ID, Kind::Bytes, true),
    ("occurred_at", Kind::Time, true),
    ("session_id", Kind::Bytes, true),
    ("user_id", Kind::Bytes, false),
    ("kind", Kind::Text, true),
    ("product_id", Kind::Bytes, false),
    ("variant_id", Kind::Bytes, false),
    ("query", Kind::Text, false),
    ("position", Kind::Int32, false),
    ("quantity", Kind::Int64, false),
    ("amount_minor", Kind::Int64, false),
    ("currency", Kind::Text, false),
    ("order_id", Kind::Bytes, false),
    ("results", Kind::Int64, false),
    ("waited_ms", Kind::Int64, false),
    ("experiment_id", Kind::Bytes, false),
    ("arm", Kind::Text, false),
];
/// Those that the first files had; the others are null in them.
const FIRST_COLUMN_COUNT: usize = 13;

/// The schema of a file.
pub(crate) fn schema() -> Type {
    let fields = COLUMNS.iter().map(|(name, kind, is_required)| {
        let (physical, logical) = match kind {
            Kind::Bytes => (Physical::BYTE_ARRAY, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
            Kind::Int32 => (Physical::INT32, None),
            Kind::Int64 => (Physical::INT64, None),
        };
        let repetition = if *is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let column = Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical);
        Arc::new(column.build().expect("a valid column"))
    });
    Type::group_type_builder("event").with_fields(fields.collect()).build().expect("a valid schema")
}

/// Writes every column of a row group.
pub(crate) fn write<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    events: &[BehaviourEvent],
) -> Result<(), ParquetError> {
    let minor = |event: &BehaviourEvent| event.amount.map(|amount| amount.amount_minor);
    let currency = |event: &BehaviourEvent| event.amount.map(|amount| text(amount.currency.code()));
    required::<ByteArrayType, _>(group, events, |event| bytes(event.id.0))?;
    required::<Int64Type, _>(group, events, |event| event.occurred_at.as_microsecond())?;
    required::<ByteArrayType, _>(group, events, |event| bytes(event.session_id.0))?;
    optional::<ByteArrayType, _>(group, events, |event| event.user_id.map(|id| bytes(id.0)))?;
    required::<ByteArrayType, _>(group, events, |event| text(event.kind.name()))?;
    optional::<ByteArrayType, _>(group, events, |event| event.product_id.map(|id| bytes(id.0)))?;
    optional::<ByteArrayType, _>(group, events, |event| event.variant_id.map(|id| bytes(id.0)))?;
    optional::<ByteArrayType, _>(group, events, |event| event.query.as_deref().map(text))?;
    optional::<Int32Type, _>(group, events, |event| event.position.map(i32::from))?;
    optional::<Int64Type, _>(group, events, |event| event.quantity.map(i64::from))?;
    optional::<Int64Type, _>(group, events, minor)?;
    optional::<ByteArrayType, _>(group, events, currency)?;
    optional::<ByteArrayType, _>(group, events, |event| event.order_id.map(|id| bytes(id.0)))?;
    optional::<Int64Type, _>(group, events, |event| event.results.map(i64::from))?;
    optional::<Int64Type, _>(group, events, |event| event.waited_ms.map(i64::from))?;
    optional::<ByteArrayType, _>(group, events, |event| event.experiment.map(|seen| bytes(seen.id.0)))?;
    optional::<ByteArrayType, _>(group, events, |event| Some(text(event.experiment?.arm?.name())))
}

fn required<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    events: &[BehaviourEvent],
    value: impl Fn(&BehaviourEvent) -> D::T,
) -> Result<(), ParquetError> {
    let values: Vec<_> = events.iter().map(value).collect();
    column::<D, W>(group, &values, None)
}

fn optional<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    events: &[BehaviourEvent],
    value: impl Fn(&BehaviourEvent) -> Option<D::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut is_there) = (Vec::new(), Vec::with_capacity(events.len()));
    for event in events {
        let value = value(event);
        is_there.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column::<D, W>(group, &values, Some(&is_there))
}

fn column<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[D::T],
    is_there: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("as many columns as the schema has");
    column.typed::<D>().write_batch(values, is_there, None)?;
    column.close()
}

fn bytes(id: Uuid) -> ByteArray {
    ByteArray::from(id.as_bytes().to_vec())
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// The event of a row, or what is wrong with it.
pub(crate) fn event(row: &Row) -> Result<BehaviourEvent, String> {
    let mut fields = row.get_column_iter();
    let mut values = Vec::with_capacity(COLUMNS.len());
    for (place, (name, ..)) in COLUMNS.iter().enumerate() {
        values.push(match fields.next() {
            Some((found, field)) if found == name => field,
            None if place >= FIRST_COLUMN_COUNT => &Field::Null,
            _ => return Err(format!("no {name}")),
        });
    }
    let [
        id,
        at,
        session,
        user,
        kind,
        product,
        variant,
        query,
        position,
        quantity,
        minor,
        currency,
        order,
        more @ ..,
    ] = <[&Field; COLUMNS.len()]>::try_from(values).map_err(|_| "another number of columns".to_owned())?;
    let [results, waited_ms, experiment_id, arm] = more;
    Ok(BehaviourEvent {
        id: EventId(there(uuid(id)?)?),
        occurred_at: time(at)?,
        session_id: SessionId(there(uuid(session)?)?),
        user_id: uuid(user)?.map(UserId),
        kind: kind_of(kind)?,
        product_id: uuid(product)?.map(ProductId),
        variant_id: uuid(variant)?.map(VariantId),
        query: string(query)?.map(str::to_owned),
        results: number(results)?,
        waited_ms: number(waited_ms)?,
        position: number(position)?,
        quantity: number(quantity)?,
        amount: money(integer(minor)?, string(currency)?)?,
        order_id: uuid(order)?.map(OrderId),
        experiment: seen_experiment(uuid(experiment_id)?, string(arm)?)?,
    })
}

/// The id of a row that has no other column.
pub(crate) fn id(row: &Row) -> Result<EventId, String> {
    let (_, field) = row.get_column_iter().next().ok_or_else(|| format!("no {ID}"))?;
    Ok(EventId(there(uuid(field)?)?))
}

fn there<T>(value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| "a column of every event is null".to_owned())
}

fn uuid(field: &Field) -> Result<Option<Uuid>, String> {
    match field {
        Field::Null => Ok(None),
        Field::Bytes(bytes) => Uuid::from_slice(bytes.data()).map(Some).map_err(|error| error.to_string()),
        other => Err(format!("{other} is no id")),
    }
}

fn string(field: &Field) -> Result<Option<&str>, String> {
    match field {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text)),
        other => Err(format!("{other} is no text")),
    }
}

fn integer(field: &Field) -> Result<Option<i64>, String> {
    match field {
        Field::Null => Ok(None),
        Field::Int(number) => Ok(Some((*number).into())),
        Field::Long(number) => Ok(Some(*number)),
        other => Err(format!("{other} is no number")),
    }
}

fn number<T: TryFrom<i64, Error = TryFromIntError>>(field: &Field) -> Result<Option<T>, String> {
    integer(field)?.map(T::try_from).transpose().map_err(|error| error.to_string())
}

fn time(field: &Field) -> Result<Timestamp, String> {
    match field {
        Field::TimestampMicros(micros) => {
            Timestamp::from_microsecond(*micros).map_err(|error| error.to_string())
        }
        other => Err(format!("{other} is no time")),
    }
}

fn kind_of(field: &Field) -> Result<BehaviourKind, String> {
    let name = there(string(field)?)?;
    let known = BehaviourKind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| format!("{name:?} is no kind"))
}

fn seen_experiment(id: Option<Uuid>, arm: Option<&str>) -> Result<Option<SeenExperiment>, String> {
    let arm =
        arm.map(|name| Arm::from_name(name).ok_or_else(|| format!("{name:?} is no arm"))).transpose()?;
    match id {
        Some(id) => Ok(Some(SeenExperiment { id: ExperimentId(id), arm })),
        None if arm.is_some() => Err("an arm without an experiment".to_owned()),
        None => Ok(None),
    }
}

fn money(minor: Option<i64>, currency: Option<&str>) -> Result<Option<Money>, String> {
    match (minor, currency) {
        (None, None) => Ok(None),
        (Some(amount_minor), Some(code)) => {
            let currency = Currency::from_code(code).ok_or_else(|| format!("{code:?} is no currency"))?;
            Ok(Some(Money { amount_minor, currency }))
        }
        _ => Err("an amount without a currency, or the other way round".to_owned()),
    }
}
