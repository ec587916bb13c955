//! OpenAPI descriptions of the responses that no other type describes.

pub(crate) mod problems;
pub(crate) mod schemas;
