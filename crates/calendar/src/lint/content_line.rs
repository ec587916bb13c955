//! A content line's name, parameters and value.

/// A content line (RFC 5545 §3.1).
pub(super) struct ContentLine<'a> {
    pub(super) name: &'a str,
    parameters: &'a str,
    pub(super) value: &'a str,
}

impl<'a> ContentLine<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let (name, rest) = line.split_at(line.bytes().position(|byte| !is_token(byte))?);
        let mut quoted = false;
        let colon = rest.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b':' && !quoted
        })?;
        let (parameters, value) = rest.split_at(colon);
        if name.is_empty() || !(parameters.is_empty() || parameters.starts_with(';')) {
            return None;
        }
        Some(Self {
            name,
            parameters,
            value: value.strip_prefix(':')?,
        })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// Returns a parameter's value, without its quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut quoted = false;
        let parameters = self.parameters.split(move |c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find_map(|(key, value)| {
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim_matches('"'))
            })
    }
}
