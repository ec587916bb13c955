//! The kinds of components, and what RFC 5545 §3.6 requires of each.

/// The kind of a component, as far as the rules differ between kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Calendar,
    Event,
    Todo,
    Journal,
    FreeBusy,
    Timezone,
    Alarm,
    /// A component without rules of its own: a part of a time zone, or an extension.
    Other,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "VCALENDAR" => Self::Calendar,
            "VEVENT" => Self::Event,
            "VTODO" => Self::Todo,
            "VJOURNAL" => Self::Journal,
            "VFREEBUSY" => Self::FreeBusy,
            "VTIMEZONE" => Self::Timezone,
            "VALARM" => Self::Alarm,
            _ => Self::Other,
        }
    }

    pub(super) fn may_be_in(self, parent: Option<Self>) -> bool {
        match self {
            Self::Calendar => parent.is_none(),
            Self::Event | Self::Todo | Self::Journal | Self::FreeBusy | Self::Timezone => {
                parent == Some(Self::Calendar)
            }
            Self::Alarm => matches!(parent, Some(Self::Event | Self::Todo)),
            Self::Other => parent.is_some(),
        }
    }

    /// The properties that every such component must have. Whether an event needs a DTSTART, and an alarm a
    /// DESCRIPTION, depends on more than the kind.
    pub(super) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Calendar => &["VERSION", "PRODID"],
            Self::Event | Self::Todo | Self::Journal | Self::FreeBusy => &["UID", "DTSTAMP"],
            Self::Timezone => &["TZID"],
            Self::Alarm => &["ACTION", "TRIGGER"],
            Self::Other => &[],
        }
    }

    /// The values that its STATUS may have, if there is a rule.
    pub(super) fn statuses(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Event => Some(&["TENTATIVE", "CONFIRMED", "CANCELLED"]),
            Self::Todo => Some(&["NEEDS-ACTION", "COMPLETED", "IN-PROCESS", "CANCELLED"]),
            Self::Journal => Some(&["DRAFT", "FINAL", "CANCELLED"]),
            _ => None,
        }
    }
}
