//! What a calendar job makes of the todos it selects.

use serde::{Deserialize, Serialize};

/// The form of the calendar. The default is one event for each todo with a deadline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarOptions {}
