//! A row of a CSV file, split as RFC 4180 says.

pub(super) enum Split {
    Whole,
    /// A quoted field goes on in the next line.
    Open,
    Broken,
}

/// Splits a row into `fields`, whose strings are used again.
pub(super) fn split(row: &str, fields: &mut Vec<String>) -> Split {
    let mut count = 0;
    let mut rest = Some(row);
    while let Some(text) = rest {
        if count == fields.len() {
            fields.push(String::new());
        }
        let field = &mut fields[count];
        field.clear();
        count += 1;
        rest = match text.strip_prefix('"') {
            None => match text.split_once(',') {
                Some((value, after)) => {
                    field.push_str(value);
                    Some(after)
                }
                None => {
                    field.push_str(text);
                    None
                }
            },
            Some(quoted) => match unquote(quoted, field) {
                Ok(after) => after,
                Err(split) => return split,
            },
        };
    }
    fields.truncate(count);
    Split::Whole
}

/// Reads a field after its opening quote. Gives what follows its comma; `None` when it is the last one.
fn unquote<'a>(mut text: &'a str, field: &mut String) -> Result<Option<&'a str>, Split> {
    loop {
        let Some((value, after)) = text.split_once('"') else {
            return Err(Split::Open);
        };
        field.push_str(value);
        match after.as_bytes().first() {
            None => return Ok(None),
            Some(b',') => return Ok(Some(&after[1..])),
            Some(b'"') => {
                field.push('"');
                text = &after[1..];
            }
            Some(_) => return Err(Split::Broken),
        }
    }
}
