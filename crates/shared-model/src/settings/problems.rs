//! Finds every invalid or missing setting. clap itself stops at the first, and does not name environment variables.

use std::collections::HashSet;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::value_in_environment;

/// Parses `arguments` repeatedly. Each invalid value that clap finds is noted, and its setting accepts any value from
/// then on. Returns nothing if clap's own error is not about the values of settings.
pub(super) fn find(mut command: Command, arguments: &[OsString]) -> Vec<String> {
    // only this call gives the arguments the names that clap uses in its errors
    command.build();
    let mut problems = Vec::new();
    let mut accepted = HashSet::new();
    while let Err(error) = command.clone().try_get_matches_from(arguments) {
        match error.kind() {
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
                let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
                    break;
                };
                if !accepted.insert(flag.clone()) {
                    break;
                }
                problems.push(invalid_value(&command, flag, &error));
                command = accepting_any(command, flag);
            }
            ErrorKind::MissingRequiredArgument => {
                problems.extend(missing_values(&command, &error));
                break;
            }
            ErrorKind::ArgumentConflict => {
                problems.extend(conflict(&command, &error));
                break;
            }
            _ => {
                if !problems.is_empty() && error.use_stderr() {
                    problems.push(first_line(&error.to_string()));
                }
                break;
            }
        }
    }
    problems
}

/// Names the environment variable if the invalid value comes from it.
fn invalid_value(command: &Command, flag: &str, error: &clap::Error) -> String {
    let value = error
        .get(ContextKind::InvalidValue)
        .map(ToString::to_string);
    let text = error.to_string();
    let text = match &value {
        Some(value) if is_secret(command, flag, value) => text.replace(value.as_str(), "***"),
        _ => text,
    };
    let problem = first_line(&text);
    let variable = find_arg(command, flag).filter(|arg| {
        let in_environment = value_in_environment(arg);
        in_environment.map(|value| value.to_string_lossy().into_owned()) == value
    });
    match variable.and_then(Arg::get_env) {
        Some(variable) => format!("{}: {problem}", variable.display()),
        None => problem,
    }
}

/// Returns whether `value` must not be repeated. Of a URL, only the credentials are hidden, so that its mistake can be seen.
fn is_secret(command: &Command, flag: &str, value: &str) -> bool {
    let is_hidden = find_arg(command, flag).is_some_and(Arg::is_hide_env_values_set);
    is_hidden && !value.is_empty() && !value.contains("://")
}

fn missing_values(command: &Command, error: &clap::Error) -> Vec<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return Vec::new();
    };
    let describe = |flag: &String| {
        let arg = find_arg(command, flag)?;
        let variable = arg.get_env()?.display();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("{variable} (or {flag}) is not set. {help}"))
    };
    missing.iter().filter_map(describe).collect()
}

fn conflict(command: &Command, error: &clap::Error) -> Option<String> {
    let mut settings = [ContextKind::InvalidArg, ContextKind::PriorArg]
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(|flags| match flags {
            ContextValue::String(flag) => std::slice::from_ref(flag),
            ContextValue::Strings(flags) => flags.as_slice(),
            _ => &[],
        })
        .filter_map(|flag| {
            let variable = find_arg(command, flag)?.get_env()?.display();
            Some(format!("{variable} (or {flag})"))
        });
    let first = settings.next()?;
    let others: Vec<_> = settings.collect();
    (!others.is_empty()).then(|| format!("{first} cannot be used with {}", others.join(", ")))
}

/// The argument that clap calls `flag`. If a subcommand and the program both have it, this is the one of the
/// subcommand.
fn find_arg<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    command
        .get_subcommands()
        .find_map(|subcommand| find_arg(subcommand, flag))
        .or_else(|| command.get_arguments().find(|arg| arg.to_string() == flag))
}

/// A program and its subcommand may read the same setting, so this changes it everywhere.
fn accepting_any(command: Command, flag: &str) -> Command {
    command
        .mut_args(|arg| {
            if arg.to_string() == flag {
                arg.value_parser(clap::value_parser!(OsString))
            } else {
                arg
            }
        })
        .mut_subcommands(|subcommand| accepting_any(subcommand, flag))
}

fn first_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .map(|line| without_passwords(&without_credentials(line)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Stands for the credentials in the example of a URL in error messages, and is not hidden.
const PLACEHOLDER: &str = "USER:PASSWORD";

/// Hides credentials, because clap repeats an invalid value, which may be a URL with a password.
fn without_credentials(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after.find(['\'', '"']).unwrap_or(after.len());
        let (value, _) = after.split_at(end);
        rest = match value.rsplit_once('@') {
            Some((credentials, _)) if credentials != PLACEHOLDER => {
                clean.push_str("***");
                after.get(credentials.len()..).unwrap_or_default()
            }
            _ => after,
        };
    }
    clean.push_str(rest);
    clean
}

/// What a parameter that holds a password ends with in a URL.
const PASSWORD: &str = "password=";

/// Hides the values of parameters that hold a password.
fn without_passwords(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(PASSWORD) {
        let end = after.find(['&', '\'', '"']).unwrap_or(after.len());
        clean.extend([before, PASSWORD, "***"]);
        rest = after.get(end..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::settings::positive_duration;

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
            (
                "'x://me@h': write postgres://USER:PASSWORD@HOST",
                "'x://***@h': write postgres://USER:PASSWORD@HOST",
            ),
            (
                "'postgresql+psycopg2://h/x?user=me&password=s3c ret&port=1' is invalid",
                "'postgresql+psycopg2://h/x?user=me&password=***&port=1' is invalid",
            ),
            (
                "'x://me:s3@h?sslpassword=a&password=b'",
                "'x://***@h?sslpassword=***&password=***'",
            ),
            ("no url", "no url"),
        ] {
            assert_eq!(without_passwords(&without_credentials(line)), clean);
        }
    }

    #[derive(Debug, Parser)]
    struct Settings {
        #[arg(long, value_parser = positive_duration)]
        first: Option<Duration>,
        #[arg(long)]
        second: Option<u16>,
        /// How many there are
        #[arg(long, env = "SETTINGS_TEST_THIRD", value_name = "NUMBER")]
        third: u16,
        #[arg(long, env = "SETTINGS_TEST_FOURTH", conflicts_with = "third")]
        fourth: bool,
    }

    #[derive(Debug, Parser)]
    struct Secret {
        #[arg(long, env = "SETTINGS_TEST_SECRET", hide_env_values = true)]
        secret: Option<u16>,
    }

    #[derive(Debug, Parser)]
    struct Program {
        #[arg(long)]
        second: Option<u16>,
        #[command(subcommand)]
        role: Option<Role>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Role {
        Run(Settings),
    }

    fn problems_of<T: CommandFactory>(flags: &[&str]) -> Vec<String> {
        let flags: Vec<_> = flags.iter().map(OsString::from).collect();
        find(T::command(), &flags)
    }

    #[test]
    fn every_invalid_flag_is_named_with_its_reason() {
        for problems in [
            problems_of::<Settings>(&["x", "--first", "soon", "--second=many", "--third=3"]),
            problems_of::<Program>(&["x", "run", "--first", "soon", "--second=many", "--third=3"]),
        ] {
            assert_eq!(problems.len(), 2, "{problems:?}");
            assert!(problems[0].contains("--first") && problems[0].contains("30s"));
            assert!(problems[1].contains("--second") && problems[1].contains("many"));
        }
    }

    #[test]
    fn an_invalid_secret_is_named_and_not_repeated() {
        for secret in ["hidden", "hidden and\nhidden", "whsec_a whsec_b"] {
            let problems = problems_of::<Secret>(&["x", "--secret", secret]);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("--secret"), "{problems:?}");
            assert!(!problems[0].contains("hidden"), "{problems:?}");
            assert!(!problems[0].contains("whsec_"), "{problems:?}");
        }
    }

    #[test]
    fn a_missing_setting_is_named_by_its_variable_and_its_flag_beside_the_invalid_ones() {
        let missing = "SETTINGS_TEST_THIRD (or --third <NUMBER>) is not set. How many there are";
        assert_eq!(problems_of::<Settings>(&["x"]), [missing]);
        assert_eq!(problems_of::<Program>(&["x", "run"]), [missing]);
        let problems = problems_of::<Program>(&["x", "run", "--second=many"]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(problems[1], missing);
    }

    #[test]
    fn settings_that_exclude_each_other_are_named_by_variable_and_flag() {
        let problems = problems_of::<Settings>(&["x", "--third=3", "--fourth"]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("SETTINGS_TEST_THIRD (or --third <NUMBER>)"));
        assert!(problems[0].contains("SETTINGS_TEST_FOURTH (or --fourth)"));
    }

    #[test]
    fn problems_that_are_not_about_values_are_left_to_clap() {
        assert_eq!(problems_of::<Settings>(&["x", "--fifth"]), [""; 0]);
        assert_eq!(problems_of::<Settings>(&["x", "--help"]), [""; 0]);
    }
}
