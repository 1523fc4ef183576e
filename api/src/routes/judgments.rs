//! Judgments of search results: sets of them, by whom, and how far judges agree.

pub mod add_judgments;
pub mod body;
pub mod judgment_json;
pub mod list_judgments;
pub mod list_sets;
pub mod remove_judgments;
pub mod set_name;
