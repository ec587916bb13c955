//! Swagger UI: our own page, and the files that it loads.

use super::Asset;
pub(crate) use super::embedded::SWAGGER_UI as PAGE;
use super::embedded::SWAGGER_UI_FILES;

/// Less strict than the policy of our own page: Swagger UI uses inline styles and `data:` images.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Returns the file with this name, or `None` if the page loads no such file.
pub(crate) fn file(name: &str) -> Option<&'static Asset> {
    super::find(&SWAGGER_UI_FILES, name)
}
