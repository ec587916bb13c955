//! The OpenAPI description of responses, where no type of the code describes them already.

pub(crate) mod problems;
pub(crate) mod schemas;
