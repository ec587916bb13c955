//! Reading the settings of a process: a flag overrides an environment variable, which overrides the default.

mod duration;
mod problems;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, Parser};

pub use duration::{duration, positive_duration};

/// The exit code of a process whose settings are invalid. It is the one that clap uses too.
pub const EXIT_INVALID: u8 = 2;

/// Reads the settings of this process. If any is invalid or missing, reports all of them and ends the process with
/// [`EXIT_INVALID`].
///
/// An environment variable that is set to the empty string counts as not set, because compose files pass it that way.
pub fn read<T: Parser>() -> T {
    let command = without_empty_variables(T::command());
    let settings = command
        .clone()
        .try_get_matches()
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    match settings {
        Ok(settings) => settings,
        Err(error) => {
            let problems = problems::find(command, &std::env::args_os().collect::<Vec<_>>());
            if problems.is_empty() {
                error.exit()
            }
            invalid(&problems).exit()
        }
    }
}

/// Reports settings that parse but can't be used, and returns [`EXIT_INVALID`].
pub fn refuse(problems: &[String]) -> ExitCode {
    // if stderr is closed, the exit code still reports the problem
    let _ = invalid(problems).print();
    ExitCode::from(EXIT_INVALID)
}

fn invalid(problems: &[String]) -> clap::Error {
    let text = format!(
        "{}\n\nFor more information, try '--help'.\n",
        problems.join("\n       ")
    );
    // any command will do: it only decides on colours
    clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(&Command::new("taskoverflow"))
}

fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| match value_in_environment(&arg) {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}

fn value_in_environment(arg: &Arg) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    let value = arg.get_env().and_then(std::env::var_os);
    value
}
