//! What keeps the shop running: messages that consumers gave up, rebuilds and repairs of the search index.

mod dead_letter_json;
pub mod get_dead_letter;
pub mod get_index_task;
pub mod index_task_json;
pub mod list_dead_letters;
pub mod list_index_tasks;
pub mod redrive_dead_letters;
pub mod start_index_task;
