//! Reports.

pub mod csv_form;
pub mod get_live_sales;
pub mod get_report;
pub mod parquet_form;
pub mod report_documentation;
