//! The response with a stored calendar, for a job's result and for a feed.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, HttpDate, IF_NONE_MATCH, IfModifiedSince,
    LAST_MODIFIED, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use shared_model::job::JobId;
use shared_model::results::ResultSummary;

use crate::response::download::{ClientCopies, Coding, calendar_body};
use crate::response::problem::ApiError;
use crate::response::stored_calendar;
use crate::state::Api;

/// A stored calendar, and the headers to send with it.
pub(super) struct CalendarDownload {
    pub(super) job_id: JobId,
    pub(super) result: ResultSummary,
    pub(super) coding: Coding,
    pub(super) cache_control: &'static str,
    pub(super) content_disposition: &'static str,
    pub(super) last_modified: Option<HttpDate>,
}

impl CalendarDownload {
    /// Responds with the calendar, or with 304 if the client has it already.
    ///
    /// # Errors
    /// Returns `expired` if the calendar has been deleted since its summary was read, and other errors if a query fails.
    pub(super) async fn respond(
        self,
        request: &HttpRequest,
        api: Data<Api>,
        expired: ApiError,
    ) -> Result<HttpResponse, ApiError> {
        let etag = self.coding.etag(&self.result);
        // If-Modified-Since counts only without If-None-Match
        let is_known = match self.last_modified {
            Some(modified) if !request.headers().contains_key(IF_NONE_MATCH) => {
                let since: Option<IfModifiedSince> = request.get_header();
                since.is_some_and(|IfModifiedSince(since)| modified <= since)
            }
            _ => ClientCopies::of(request).include(&etag),
        };
        let mut response = HttpResponse::Ok();
        response
            .insert_header((ETAG, etag))
            .insert_header((VARY, "Accept-Encoding"))
            .insert_header((CACHE_CONTROL, self.cache_control));
        if let Some(modified) = self.last_modified {
            response.insert_header((LAST_MODIFIED, modified));
        }
        if is_known {
            return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
        }
        let parts = if request.method() == Method::HEAD {
            None
        } else {
            let parts = stored_calendar::open(api, self.job_id, self.result.gzip_length).await?;
            Some(parts.ok_or(expired)?)
        };
        response.insert_header((CONTENT_DISPOSITION, self.content_disposition));
        Ok(calendar_body(
            &mut response,
            self.coding,
            &self.result,
            parts,
        ))
    }
}
