//! The parameters of a statement for many rows.

/// Returns one value of each item: a parameter for `unnest`.
pub(super) fn column<'a, I, T>(items: &'a [I], value: impl Fn(&'a I) -> T) -> Vec<T> {
    items.iter().map(value).collect()
}
