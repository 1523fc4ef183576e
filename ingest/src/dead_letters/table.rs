//! Dead letters as plain text.

use std::fmt::Write;

use store::pg::dead_letters::{KeptLetter, Step};

const NOTHING: &str = "-";

/// One line for each, under a line of names.
pub(super) fn of_letters(letters: &[KeptLetter]) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 7]| {
        let [id, queue, state, reason, died_at, bytes, event] = cells;
        put(&mut text, format_args!("{id:<36}  {queue:<14}  {state:<8}  {reason:<14}  "));
        put(&mut text, format_args!("{died_at:<20}  {bytes:>9}  {event}\n"));
    };
    line(["ID", "QUEUE", "STATE", "REASON", "DIED", "BYTES", "EVENT"]);
    for letter in letters {
        let event = [letter.event_type.as_deref(), letter.subject.as_deref()];
        let event: Vec<_> = event.into_iter().flatten().map(printable).collect();
        let event = if event.is_empty() { NOTHING.to_owned() } else { event.join(" ") };
        let cut = if letter.is_cut { "+" } else { "" };
        line([
            &letter.id.to_string(),
            &letter.queue,
            letter.state.name(),
            &printable(&letter.reason),
            &letter.died_at.to_string(),
            &format!("{}{cut}", letter.body_bytes),
            &event,
        ]);
    }
    text
}

/// One with all that is known of it.
pub(super) fn of_one(letter: &KeptLetter, steps: &[Step], body: &[u8]) -> String {
    let mut text = String::new();
    let or_nothing = |value: Option<&str>| value.map_or_else(|| NOTHING.to_owned(), printable);
    let redriven_from = letter.redriven_from.map(|id| id.to_string());
    let cut = if letter.is_cut { ", of which the beginning is kept: it cannot be sent again" } else { "" };
    let fields = [
        ("id", letter.id.to_string()),
        ("queue", letter.queue.clone()),
        ("state", letter.state.name().to_owned()),
        ("event", or_nothing(letter.event_id.as_deref())),
        ("type", or_nothing(letter.event_type.as_deref())),
        ("subject", or_nothing(letter.subject.as_deref())),
        ("reason", format!("{}, {} times", printable(&letter.reason), letter.death_count)),
        ("died at", letter.died_at.to_string()),
        ("arrived at", letter.arrived_at.to_string()),
        ("was before", or_nothing(redriven_from.as_deref())),
        ("bytes", format!("{}{cut}", letter.body_bytes)),
    ];
    for (name, value) in fields {
        put(&mut text, format_args!("{name:<12}{value}\n"));
    }
    for Step { step, at, actor, note } in steps {
        let note = note.as_deref().map(|note| format!(": {}", printable(note))).unwrap_or_default();
        put(&mut text, format_args!("{:<12}{at} {step} by {actor}{note}\n", "step"));
    }
    text.push('\n');
    text.push_str(&printable(&String::from_utf8_lossy(body)));
    text.push('\n');
    text
}

/// Nothing that a terminal would obey.
fn printable(text: &str) -> String {
    let is_kept = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    text.chars().map(|character| if is_kept(character) { character } else { '?' }).collect()
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("memory takes every write");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use store::pg::dead_letters::DeadLetterState;
    use uuid::Uuid;

    use super::*;

    fn letter() -> KeptLetter {
        KeptLetter {
            id: Uuid::nil(),
            queue: "analytics".into(),
            event_id: None,
            event_type: None,
            subject: None,
            body_bytes: 2_000_000,
            is_cut: true,
            reason: "rejected".into(),
            death_count: 1,
            died_at: Timestamp::UNIX_EPOCH,
            arrived_at: Timestamp::UNIX_EPOCH,
            redriven_from: None,
            state: DeadLetterState::Waiting,
        }
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let text = of_letters(&[letter(), letter()]);
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("analytics") && text.contains("2000000+") && text.contains(" -\n"), "{text}");
    }

    #[test]
    fn one_is_told_with_its_steps_and_nothing_commands_the_terminal() {
        let step = Step {
            step: "arrived".into(),
            at: Timestamp::UNIX_EPOCH,
            actor: "system:worker".into(),
            note: None,
        };
        let text = of_one(&letter(), &[step], b"{\x1b[2J\n\xff}");
        assert!(
            text.contains("arrived by system:worker\n") && text.contains("cannot be sent again"),
            "{text}"
        );
        assert!(text.ends_with("{?[2J\n\u{fffd}}\n"), "{text}");
    }
}
