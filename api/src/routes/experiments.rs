//! Experiments with the tuning of the search.

pub mod experiment_json;
pub mod get_experiment;
pub mod list_experiments;
pub mod start_experiment;
pub mod stop_experiment;
