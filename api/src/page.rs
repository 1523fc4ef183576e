//! Pages of a list.

use serde::Serialize;
use utoipa::ToSchema;

/// Where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page {
    /// Send it as `cursor` for the next page; `null` on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// Most items of a page.
    pub limit: u16,
}

/// Cuts the item that was read only to see whether there is more: `items` holds up to `limit + 1`.
pub fn cut<T>(items: &mut Vec<T>, limit: u16) -> bool {
    let has_more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    has_more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_item_means_another_page() {
        let mut items = vec![1, 2, 3];
        assert!(!cut(&mut items, 3));
        assert!(cut(&mut items, 2));
        assert_eq!(items, [1, 2]);
    }
}
