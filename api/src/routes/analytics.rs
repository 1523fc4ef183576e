//! Reports.

pub mod daily_sales;
