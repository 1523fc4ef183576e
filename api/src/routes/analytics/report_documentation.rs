//! The OpenAPI text of the reports, made of their definitions: one path each.

use store::pg::reports::{self, Column, Grain, Kind, Report};
use utoipa::IntoResponses;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, OpenApi, PathItem, Ref, RefOr, Required, ResponseBuilder,
};

use crate::problem::ReadProblems;
use crate::routes::analytics::get_report::{LIMIT_DEFAULT, definition};

/// Adds every report to the document.
pub fn add_to(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for report in reports::all() {
        components.schemas.insert(schema_name(report), RefOr::T(answer(report)));
        let path = format!("/api/v1/analytics/{}", report.name);
        document.paths.paths.insert(path, PathItem::new(HttpMethod::Get, operation(report)));
    }
}

/// `daily-sales` is `DailySalesReport`.
fn schema_name(report: &Report) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    report.name.split('-').map(capital).collect::<String>() + "Report"
}

fn operation(report: &Report) -> Operation {
    let content = |schema: RefOr<Schema>| ContentBuilder::new().schema(Some(schema)).build();
    let text = || RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()));
    let header = |about: &str| HeaderBuilder::new().schema(Some(text())).description(Some(about)).build();
    let answer = ResponseBuilder::new()
        .description("The report")
        .header("ETag", header("Send it as If-None-Match: 304 until the report is another"))
        .header("Has-More", header("`true` when there are more rows than the limit"))
        .header("As-Of", header("The moment of the snapshot that was counted"))
        .header("Time-Zone", header("Whose days are counted"))
        .content("application/json", content(Ref::from_schema_name(schema_name(report)).into()))
        .content("text/csv", content(text()))
        .content("application/vnd.apache.parquet", content(text()))
        .build();
    let mut operation = OperationBuilder::new()
        .tag("analytics")
        .operation_id(Some(report.name.replace('-', "_")))
        .summary(Some(report.about))
        .description(Some(definition(report)))
        .response("200", answer)
        .response(
            "304",
            ResponseBuilder::new().description("What the client has is still the report").build(),
        )
        .security(SecurityRequirement::new("bearer", Vec::<String>::new()));
    for parameter in parameters(report) {
        operation = operation.parameter(parameter);
    }
    let mut operation = operation.build();
    operation.responses.responses.extend(ReadProblems::responses());
    operation
}

fn parameters(report: &Report) -> Vec<Parameter> {
    let is_by_day = report.grain != Grain::Whole;
    let mut parameters = Vec::new();
    if is_by_day {
        parameters.push(parameter("from", Required::True, date(), "First day; 1970 at the earliest"));
        parameters.push(parameter("to", Required::True, date(), "Last day, included"));
    }
    if report.has_currency() {
        parameters.push(parameter("currency", Required::False, word(), "Only this ISO 4217 code"));
    }
    let channel = "`shop` when missing, or the name of an imported history";
    parameters.push(parameter("channel", Required::False, word(), channel));
    let zone = "The channel's own when missing, or another that it is counted in";
    parameters.push(parameter("time_zone", Required::False, word(), zone));
    let forms = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["json", "csv", "parquet"]));
    parameters.push(parameter("format", Required::False, forms, "JSON when missing"));
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(reports::LIMIT_MAX))
        .default(Some(LIMIT_DEFAULT.into()));
    parameters.push(parameter("limit", Required::False, limit, "Most rows"));
    parameters
}

fn parameter(name: &str, required: Required, schema: ObjectBuilder, about: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(required)
        .description(Some(about))
        .schema(Some(Schema::Object(schema.build())))
        .build()
}

fn word() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn date() -> ObjectBuilder {
    word().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
}

fn answer(report: &Report) -> Schema {
    let mut row = ObjectBuilder::new();
    for column in report.columns() {
        row = row.property(column.name, Schema::Object(cell(column).build())).required(column.name);
    }
    let nullable = SchemaType::Array(vec![Type::String, Type::Null]);
    let as_of = ObjectBuilder::new()
        .schema_type(nullable)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some(
            "The moment of the snapshot that was counted; `null` when nothing was counted yet",
        ));
    let more =
        ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Whether there are more rows"));
    let mut answer = ObjectBuilder::new().description(Some(report.about)).property(
        "data",
        Schema::Array(ArrayBuilder::new().items(RefOr::T(Schema::Object(row.build()))).build()),
    );
    for (name, schema) in [
        ("has_more", more),
        ("as_of", as_of),
        ("time_zone", word().description(Some("Whose days are counted"))),
        ("definition", word().description(Some("What each column means"))),
    ] {
        answer = answer.property(name, Schema::Object(schema.build()));
    }
    for name in ["data", "has_more", "as_of", "time_zone", "definition"] {
        answer = answer.required(name);
    }
    Schema::Object(answer.build())
}

fn cell(column: &Column) -> ObjectBuilder {
    let schema = match column.kind {
        Kind::Date => date(),
        Kind::Text => word(),
        Kind::Count => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))),
        Kind::Amount | Kind::Ratio(_) => {
            return word().description(Some(format!("{}; an exact decimal as text", column.about)));
        }
    };
    schema.description(Some(column.about))
}
