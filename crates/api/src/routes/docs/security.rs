//! Describes which operations need a token, and how each refuses requests. The rules are those of the middleware, so the
//! description can't differ from it.

use std::collections::BTreeMap;

use actix_web::http::Method;
use utoipa::IntoResponses;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi};

use crate::access::rules;
use crate::authentication::scope::Action;
use crate::protection::PROBES;
use crate::response::openapi::problems::{ForeignPage, Refused, TooManyRequests, UnknownHost};

const TOKEN: &str = "token";
const SESSION: &str = "session";
const OPERATOR_SESSION: &str = "operator_session";

/// Adds the security schemes, and to each operation what it requires and how it refuses requests.
pub(super) fn describe(document: &mut OpenApi) {
    add_schemes(document.components.get_or_insert_default());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            describe_tokens(operation, rules::action(&method, path));
            describe_protection(operation, &method, path);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn describe_tokens(operation: &mut Operation, action: Option<Action>) {
    let Some(action) = action else {
        // open, although other operations are not
        operation.security = Some(Vec::new());
        return;
    };
    let scope = action.allowed_by();
    let requirement = |scheme| SecurityRequirement::new::<_, [&str; 0], &str>(scheme, []);
    operation.security = Some(match action {
        Action::Read | Action::Change => vec![requirement(TOKEN), requirement(SESSION)],
        Action::Operate => vec![requirement(TOKEN), requirement(OPERATOR_SESSION)],
    });
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.extend(["Scope of the token: ", scope, "."]);
    operation.responses.responses.extend(Refused::responses());
}

fn describe_protection(operation: &mut Operation, method: &Method, path: &str) {
    let mut refusals = BTreeMap::new();
    if !PROBES.contains(&path) {
        refusals.extend(UnknownHost::responses());
        refusals.extend(TooManyRequests::responses());
    }
    if !method.is_safe() {
        refusals.extend(ForeignPage::responses());
    }
    for (status, refusal) in refusals {
        // a token may be refused with the same status
        let responses = &mut operation.responses.responses;
        responses.entry(status).or_insert(refusal);
    }
}

fn add_schemes(components: &mut Components) {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("taskoverflow_…")
        .description(Some(
            "A token that `taskoverflow-api tokens create` has printed. Not needed with `AUTH=off`.",
        ))
        .build();
    let session = ApiKeyValue::with_description(
        "taskoverflow_session",
        "The cookie that `POST /api/v1/session` sets. Over HTTPS its name begins with `__Host-`.",
    );
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token));
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    let operator = ApiKeyValue::with_description(
        "taskoverflow_operator",
        "The cookie that `POST /api/v1/operations/session` sets. Over HTTPS its name begins with `__Host-`.",
    );
    let operator = SecurityScheme::ApiKey(ApiKey::Cookie(operator));
    components.add_security_scheme(OPERATOR_SESSION, operator);
}
