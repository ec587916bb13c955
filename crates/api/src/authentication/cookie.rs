//! The cookies of sessions. An operator's session has a cookie of its own, so that a browser can be signed in with an
//! operator's token and with another one at the same time.

use actix_web::http::header::{COOKIE, HeaderMap};

use super::secret::{Credential, SecretHash};

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// That of somebody who uses the service.
    User,
    /// That of an operator.
    Operator,
}

impl Cookie {
    /// Returns the name. Over plain HTTP, on the user's own machine, it has no prefix. Browsers accept the prefix only for a
    /// cookie that no other host has set.
    const fn name(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::User, false) => "taskoverflow_session",
            (Self::User, true) => "__Host-taskoverflow_session",
            (Self::Operator, false) => "taskoverflow_operator",
            (Self::Operator, true) => "__Host-taskoverflow_operator",
        }
    }
}

/// Returns the session that a request belongs to. Over HTTPS it reads only the cookie that no other host can have set.
/// `is_https` is called only if there are cookies.
pub fn read(headers: &HeaderMap, cookie: Cookie, is_https: impl FnOnce() -> bool) -> Credential {
    let mut cookies = headers.get_all(COOKIE).peekable();
    if cookies.peek().is_none() {
        return Credential::Missing;
    }
    let own_name = cookie.name(is_https());
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    match pairs.find(|(name, _)| *name == own_name) {
        Some((_, value)) => SecretHash::of_session(value).into(),
        None => Credential::Missing,
    }
}

/// Returns the `Set-Cookie` header that begins a session. The browser forgets the cookie when it is closed, hides it from
/// scripts, and sends it only with requests of our own site.
pub fn set(cookie: Cookie, secret: &str, is_https: bool) -> String {
    let name = cookie.name(is_https);
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Returns the `Set-Cookie` header that ends a session.
pub fn clear(cookie: Cookie, is_https: bool) -> String {
    set(cookie, "", is_https) + "; Max-Age=0"
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::super::secret::NewSecret;
    use super::*;

    fn read(cookies: &[&str], is_https: bool) -> Credential {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        super::read(&headers, Cookie::User, || is_https)
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let NewSecret { text, hash } = NewSecret::session().unwrap();
        for is_https in [false, true] {
            let own = format!("{}={text}", Cookie::User.name(is_https));
            assert_eq!(read(&[&own], is_https), Credential::Secret(hash));
            let several = format!("a=b; {own};c=d");
            assert_eq!(read(&[&several], is_https), Credential::Secret(hash));
            assert_eq!(read(&["a=b", &own], is_https), Credential::Secret(hash));
            assert_eq!(read(&[], is_https), Credential::Missing);
            let other = format!("x{own}");
            assert_eq!(read(&["a=b; x", &other], is_https), Credential::Missing);
            let of_operator = format!("{}={text}", Cookie::Operator.name(is_https));
            assert_eq!(read(&[&of_operator], is_https), Credential::Missing);
            let guess = format!("{}=guess", Cookie::User.name(is_https));
            assert_eq!(read(&[&guess], is_https), Credential::Malformed);
        }
    }

    #[test]
    fn over_https_a_cookie_that_another_host_may_have_set_does_not_count() {
        let text = NewSecret::session().unwrap().text;
        assert_eq!(
            read(&[&format!("{}={text}", Cookie::User.name(false))], true),
            Credential::Missing
        );
    }

    #[test]
    fn only_a_cookie_over_https_is_secure() {
        assert_eq!(
            set(Cookie::User, "1f", false),
            "taskoverflow_session=1f; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            set(Cookie::Operator, "1f", true),
            "__Host-taskoverflow_operator=1f; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        let cleared = clear(Cookie::User, true);
        assert!(cleared.ends_with("Secure; Max-Age=0") && cleared.contains("session=;"));
    }
}
