//! What a token allows.

use std::fmt;

use serde::Serialize;

/// What a token allows. The scopes do not include each other, so that the token of a monitoring system reads no todos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// To read todos, jobs, calendars and feeds.
    ReadOnly,
    /// To read and to change them.
    Full,
    /// The calls for operators, and no others.
    Operator,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It reads todos, jobs, calendars or feeds.
    Read,
    /// It changes them.
    Change,
    /// It is a call for operators.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::Full, Self::Operator];

    /// Returns the name of the scope, in the database and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::Operator => "operator",
        }
    }

    /// Returns the scope with this name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Returns whether a token with this scope may do `action`.
    pub const fn allows(self, action: Action) -> bool {
        match (self, action) {
            (Self::ReadOnly | Self::Full, Action::Read)
            | (Self::Full, Action::Change)
            | (Self::Operator, Action::Operate) => true,
            (Self::ReadOnly, Action::Change | Action::Operate)
            | (Self::Full, Action::Operate)
            | (Self::Operator, Action::Read | Action::Change) => false,
        }
    }
}

impl Action {
    /// Returns the scopes that allow the action, for people.
    pub const fn allowed_by(self) -> &'static str {
        match self {
            Self::Read => "read-only or full",
            Self::Change => "full",
            Self::Operate => "operator",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
