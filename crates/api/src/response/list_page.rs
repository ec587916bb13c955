//! One page of a list, with the `Link` to the next page.

use actix_web::HttpResponse;
use actix_web::http::header::LINK;
use serde::Serialize;

use crate::response::links::Links;

/// One page of a list.
#[derive(Debug)]
pub struct ListPage<T> {
    rows: Vec<T>,
    limit: u16,
    /// The position after which another page follows, if one does.
    next_cursor: Option<String>,
}

impl<T> ListPage<T> {
    /// Returns a page with the first `limit` of `rows`. The caller reads one row more than `limit`, because an extra row
    /// means that another page follows.
    pub fn new(mut rows: Vec<T>, limit: u16, cursor: impl FnOnce(&T) -> String) -> Self {
        let has_next = rows.len() > usize::from(limit);
        rows.truncate(limit.into());
        let next_cursor = rows.last().filter(|_| has_next).map(cursor);
        Self::with_next(rows, limit, next_cursor)
    }

    /// Returns a page of which the caller knows where the next one begins, if there is one.
    pub fn with_next(rows: Vec<T>, limit: u16, next_cursor: Option<String>) -> Self {
        Self {
            rows,
            limit,
            next_cursor,
        }
    }

    /// Responds with a JSON array of the rows' views. `path` is the list's path below the API's prefix, and `filters` are
    /// the parameters that the next page repeats.
    pub fn respond<'a, V: Serialize>(
        &'a self,
        links: &Links,
        path: &str,
        filters: impl IntoIterator<Item = (&'static str, Option<String>)>,
        view: impl FnMut(&'a T) -> V,
    ) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let mut parameters: Vec<_> = filters.into_iter().collect();
            parameters.push(("limit", Some(self.limit.to_string())));
            parameters.push(("cursor", Some(cursor.clone())));
            response.insert_header((LINK, links.next_page(path, &parameters)));
        }
        let views: Vec<V> = self.rows.iter().map(view).collect();
        response.json(views)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_extra_row_makes_a_next_page() {
        let page = |rows: Vec<i32>| ListPage::new(rows, 2, i32::to_string);
        for (rows, shown, cursor) in [
            (vec![], vec![], None),
            (vec![1], vec![1], None),
            (vec![1, 2], vec![1, 2], None),
            (vec![1, 2, 3], vec![1, 2], Some("2")),
        ] {
            let page = page(rows);
            assert_eq!(page.rows, shown);
            assert_eq!(page.next_cursor.as_deref(), cursor);
        }
    }
}
