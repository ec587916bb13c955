//! The cookie of a session.

use actix_web::http::header::{COOKIE, HeaderMap};

use super::secret::{Credential, SecretHash};

/// The name of the cookie over plain HTTP, on the user's own machine.
const NAME: &str = "taskoverflow_session";
/// The name over HTTPS. Browsers accept this prefix only for a cookie that no other host has set.
const SECURE_NAME: &str = "__Host-taskoverflow_session";

/// Returns the session that a request belongs to. Over HTTPS it reads only the cookie that no other host can have set.
/// `is_https` is called only if there are cookies.
pub fn read(headers: &HeaderMap, is_https: impl FnOnce() -> bool) -> Credential {
    let mut cookies = headers.get_all(COOKIE).peekable();
    if cookies.peek().is_none() {
        return Credential::Missing;
    }
    let own_name = name(is_https());
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
pub fn set(secret: &str, is_https: bool) -> String {
    let name = name(is_https);
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Returns the `Set-Cookie` header that ends a session.
pub fn clear(is_https: bool) -> String {
    set("", is_https) + "; Max-Age=0"
}

const fn name(is_https: bool) -> &'static str {
    if is_https { SECURE_NAME } else { NAME }
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
        super::read(&headers, || is_https)
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let NewSecret { text, hash } = NewSecret::session().unwrap();
        for is_https in [false, true] {
            let own = format!("{}={text}", name(is_https));
            assert_eq!(read(&[&own], is_https), Credential::Secret(hash));
            let several = format!("a=b; {own};c=d");
            assert_eq!(read(&[&several], is_https), Credential::Secret(hash));
            assert_eq!(read(&["a=b", &own], is_https), Credential::Secret(hash));
            assert_eq!(read(&[], is_https), Credential::Missing);
            let other = format!("x{own}");
            assert_eq!(read(&["a=b; x", &other], is_https), Credential::Missing);
            let guess = format!("{}=guess", name(is_https));
            assert_eq!(read(&[&guess], is_https), Credential::Malformed);
        }
    }

    #[test]
    fn over_https_a_cookie_that_another_host_may_have_set_does_not_count() {
        let text = NewSecret::session().unwrap().text;
        assert_eq!(
            read(&[&format!("{NAME}={text}")], true),
            Credential::Missing
        );
    }

    #[test]
    fn only_a_cookie_over_https_is_secure() {
        assert_eq!(
            set("1f", false),
            "taskoverflow_session=1f; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            set("1f", true),
            "__Host-taskoverflow_session=1f; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(clear(true).ends_with("Secure; Max-Age=0") && clear(true).contains("session=;"));
    }
}
