//! The parts of a URL.

use std::net::Ipv6Addr;

/// The maximum length of a name. With a suffix, as the dead-letter queues have one, it fits into every broker.
const MAX_NAME: usize = 120;

/// Returns whether every broker accepts the text as the name of a queue, without escaping it.
pub(super) fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_allowed)
}

/// Parses `HOST` or `HOST:PORT`. An IPv6 address is in brackets, and is returned without them.
pub(super) fn host_and_port(text: &str, default: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed
            .split_once(']')
            .filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())
            .ok_or("brackets must contain an IPv6 address")?;
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err("only a port may follow the host"),
            Some(port) => Some(port),
        };
        (host, port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if host.is_empty() || !host.bytes().all(is_allowed) {
            return Err("the host must be a name or an address; an IPv6 address is in brackets");
        }
        (host, port)
    };
    let port = match port {
        None => default,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or("the port must be a number from 1 to 65535")?,
    };
    Ok((host.to_owned(), port))
}

/// Escapes everything but letters, digits and the four marks that mean nothing in a URL.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Replaces each `%` and two hexadecimal digits by the byte that they mean.
pub(super) fn decoded(text: &str) -> Result<String, &'static str> {
    const INVALID: &str = "a user, a password or a virtual host contains a % that is not followed by the two \
        hexadecimal digits of a character; % itself is %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit().ok_or(INVALID)?, digit().ok_or(INVALID)?);
            bytes.push(u8::try_from(16 * high + low).ok().ok_or(INVALID)?);
        } else {
            bytes.push(byte);
        }
    }
    let decoded = String::from_utf8(bytes).ok().ok_or(INVALID)?;
    if decoded.contains(char::is_control) {
        return Err("a user, a password or a virtual host contains a control character");
    }
    Ok(decoded)
}
