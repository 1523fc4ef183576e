//! What keeps the shop running: messages that consumers gave up.

mod dead_letter_json;
pub mod get_dead_letter;
pub mod list_dead_letters;
pub mod redrive_dead_letters;
