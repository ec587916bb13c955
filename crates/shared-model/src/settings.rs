//! Reading a process's settings: flags over environment variables over defaults.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::iter;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

/// The longest duration a setting may have: Postgres and the queue's own limits are far below.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Reads the settings of this process. Ends it with code 2 and a message that names **every** value that is wrong or, when
/// none is, every one that is missing; those of the subcommand that was asked for too.
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
        Err(error) => {
            let problems = problems(&command, &error, std::env::args_os().collect());
            if problems.is_empty() {
                error.exit()
            }
            refuse::<T>(&problems)
        }
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
    command
        .mut_args(|arg| match value_in_environment(&arg) {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}

fn without_variables(command: Command) -> Command {
    command
        .mut_args(|arg| arg.env(Resettable::Reset))
        .mut_subcommands(without_variables)
}

fn value_in_environment(arg: &Arg) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    let value = arg.get_env().and_then(std::env::var_os);
    value
}

/// Everything that is wrong or missing, where clap's `error` says that something is; else nothing, and `error` says it.
fn problems(command: &Command, error: &clap::Error, flags: Vec<OsString>) -> Vec<String> {
    if !is_wrong_value(error.kind()) && error.kind() != ErrorKind::MissingRequiredArgument {
        return Vec::new();
    }
    // its arguments have names only then
    let mut built = command.clone();
    built.build();
    let asked_for = asked_for(&built, &flags);
    let mut problems = missing_values(&asked_for, error);
    problems.extend(wrong_value(command, flags));
    problems.extend(asked_for.into_iter().flat_map(wrong_variables));
    // a program and its subcommand may read the same variable
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems
}

/// The program itself, and the subcommand that it was asked for.
fn asked_for<'a>(command: &'a Command, flags: &[OsString]) -> Vec<&'a Command> {
    let subcommand = flags
        .iter()
        .skip(1)
        .find_map(|flag| command.find_subcommand(flag));
    iter::once(command).chain(subcommand).collect()
}

/// What is required, can be given by a variable, and is not given at all.
fn missing_values(commands: &[&Command], error: &clap::Error) -> Vec<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return Vec::new();
    };
    let describe = |flag: &String| {
        // a subcommand's own words before those of the program
        let mut args = commands
            .iter()
            .rev()
            .flat_map(|command| command.get_arguments());
        let arg = args.find(|arg| arg.to_string() == *flag)?;
        let variable = arg.get_env()?.to_string_lossy();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("{variable} (or {flag}) is not set. {help}"))
    };
    missing.iter().filter_map(describe).collect()
}

/// clap stops at the first wrong value; so each is tried alone.
fn wrong_value(command: &Command, arguments: Vec<OsString>) -> Option<String> {
    let bare = without_variables(command.clone());
    let error = bare.try_get_matches_from(arguments).err()?;
    is_wrong_value(error.kind()).then(|| first_line(&error))
}

fn wrong_variables(command: &Command) -> Vec<String> {
    let wrong_variable = |arg: &Arg| {
        let (name, value) = (arg.get_env()?, value_in_environment(arg)?);
        let mut flag = OsString::from(format!("--{}=", arg.get_long()?));
        flag.push(value);
        let problem = wrong_value(command, vec![OsString::new(), flag])?;
        Some(format!("{}: {problem}", OsStr::to_string_lossy(name)))
    };
    command.get_arguments().filter_map(wrong_variable).collect()
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
        /// Which one
        #[arg(long, env = "SETTINGS_TEST_THIRD", value_name = "NUMBER")]
        third: u16,
    }

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        role: Option<Role>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Role {
        Run(Settings),
    }

    fn problems_of<T: Parser>(flags: &[&str]) -> Vec<String> {
        let flags: Vec<_> = flags.iter().map(OsString::from).collect();
        let error = T::command().try_get_matches_from(&flags).unwrap_err();
        problems(&T::command(), &error, flags)
    }

    #[test]
    fn a_wrong_flag_is_named_with_its_reason() {
        for problems in [
            problems_of::<Settings>(&["x", "--first", "soon", "--third=3"]),
            problems_of::<Program>(&["x", "run", "--first", "soon", "--third=3"]),
        ] {
            assert_eq!(problems.len(), 1, "{problems:?}");
            let named = problems[0].contains("--first") && problems[0].contains("30s");
            assert!(named, "{problems:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named_by_its_variable_and_its_flag() {
        let missing = "SETTINGS_TEST_THIRD (or --third <NUMBER>) is not set. Which one";
        assert_eq!(problems_of::<Settings>(&["x"]), [missing]);
        assert_eq!(problems_of::<Program>(&["x", "run"]), [missing]);
    }

    #[test]
    fn what_clap_says_best_is_left_to_it() {
        assert_eq!(problems_of::<Settings>(&["x", "--fourth"]), [""; 0]);
        assert_eq!(problems_of::<Settings>(&["x", "--help"]), [""; 0]);
    }
}
