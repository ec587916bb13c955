//! Reading a process's settings: flags over environment variables over defaults.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, Parser};

/// The longest duration a setting may have: Postgres and the queue's own limits are far below.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Reads the settings of this process. Ends it with code 2 and a message that names **every** wrong value.
///
/// An environment variable that is set to nothing counts as not set: compose files pass absent ones so.
pub fn read<T: Parser>() -> T {
    let command = without_empty_variables(T::command());
    let outcome = command
        .clone()
        .try_get_matches()
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    match outcome {
        Ok(settings) => settings,
        Err(error) if is_wrong_value(error.kind()) => {
            refuse::<T>(&wrong_values(&command, std::env::args_os()))
        }
        Err(error) => error.exit(),
    }
}

/// Ends the process with code 2 over settings that are wrong together though each is well-formed.
pub fn refuse<T: Parser>(problems: &[String]) -> ! {
    T::command()
        .error(ErrorKind::ValueValidation, problems.join("\n       "))
        .exit()
}

/// Reads a duration with its unit, such as `500ms`, `30s`, `5m` or `12h`; for clap's `value_parser`.
///
/// # Errors
/// When the text is something else, or longer than ten years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| {
        format!("{error}; write a number and its unit, such as 500ms, 30s, 5m or 12h")
    })?;
    if duration > LONGEST {
        return Err("longer than ten years".to_owned());
    }
    Ok(duration)
}

/// As [`duration`], and more than nothing.
///
/// # Errors
/// As [`duration`]; and for zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        duration => Ok(duration),
    }
}

fn is_wrong_value(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ValueValidation | ErrorKind::InvalidValue)
}

fn without_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| match value_in_environment(&arg) {
        Some(value) if value.is_empty() => arg.env(Resettable::Reset),
        _ => arg,
    })
}

fn value_in_environment(arg: &Arg) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    let value = arg.get_env().and_then(std::env::var_os);
    value
}

/// clap stops at the first wrong value; so each is tried alone.
fn wrong_values(command: &Command, flags: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let bare = command.clone().mut_args(|arg| arg.env(Resettable::Reset));
    let try_one = |arguments: &[OsString]| {
        let error = bare.clone().try_get_matches_from(arguments).err()?;
        is_wrong_value(error.kind()).then(|| first_line(&error))
    };
    let flags: Vec<OsString> = flags.into_iter().collect();
    let of_flags = try_one(&flags);
    let of_variables = command.get_arguments().filter_map(|arg| {
        let (name, value) = (arg.get_env()?, value_in_environment(arg)?);
        let mut flag = OsString::from(format!("--{}=", arg.get_long()?));
        flag.push(value);
        let problem = try_one(&[OsString::new(), flag])?;
        Some(format!("{}: {problem}", OsStr::to_string_lossy(name)))
    });
    of_flags.into_iter().chain(of_variables).collect()
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .map(without_credentials)
        .collect::<Vec<_>>()
        .join(" ")
}

/// clap repeats wrong values, and a URL may hold a password.
fn without_credentials(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after.find(['\'', '"']).unwrap_or(after.len());
        let (value, _) = after.split_at(end);
        rest = match value.rfind('@') {
            Some(at) => {
                clean.push_str("***");
                after.get(at..).unwrap_or_default()
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "-1s", "soon", "11years"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert!(positive_duration("0ms").is_err());
    }

    #[test]
    fn a_password_is_not_repeated() {
        for (line, clean) in [
            (
                "invalid 'postgres://me:s3cret@h/x y' for it",
                "invalid 'postgres://***@h/x y' for it",
            ),
            (
                "'https://me:s3@cret@h/q' and 'sqs://x'",
                "'https://***@h/q' and 'sqs://x'",
            ),
            ("write postgres://USER@HOST", "write postgres://***@HOST"),
            ("no url", "no url"),
        ] {
            assert_eq!(without_credentials(line), clean);
        }
    }

    #[derive(Debug, Parser)]
    struct Settings {
        #[arg(long, value_parser = positive_duration)]
        first: Option<Duration>,
        #[arg(long)]
        second: Option<u16>,
    }

    #[test]
    fn a_wrong_flag_is_named_with_its_reason() {
        use clap::CommandFactory;
        let flags = ["x", "--first", "soon"].map(OsString::from);
        let problems = wrong_values(&Settings::command(), flags);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("--first") && problems[0].contains("30s"),
            "{problems:?}"
        );
    }
}
