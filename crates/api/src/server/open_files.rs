//! How many connections the limit of open files allows.

use std::num::NonZeroUsize;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are not counted connections of clients: surplus connections, those to the database, the runtime's, and
/// short-lived ones.
const RESERVED: u64 = 256;
/// macOS refuses a higher limit, even if the hard limit is unlimited.
const MACOS_MAX: u64 = 10_240;

/// Raises the limit of open files of this process as far as an ordinary user may. Returns how many of the `wanted`
/// connections fit into it.
pub(super) fn make_room(wanted: NonZeroUsize) -> NonZeroUsize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let raise = |to: &u64| *to > soft && setrlimit(Resource::RLIMIT_NOFILE, *to, hard).is_ok();
    let raised = [hard, MACOS_MAX].into_iter().find(raise);
    let room = room(wanted, raised.unwrap_or(soft));
    if room < wanted {
        log::warn!(
            "MAX_CONNECTIONS: {wanted} connections need a higher limit of open files (ulimit -n); using {room}"
        );
    }
    room
}

fn room(wanted: NonZeroUsize, files: u64) -> NonZeroUsize {
    let room = usize::try_from(files - RESERVED.min(files / 2)).unwrap_or(usize::MAX);
    NonZeroUsize::new(room).map_or(NonZeroUsize::MIN, |room| room.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        let room = |wanted, files| room(NonZeroUsize::new(wanted).unwrap(), files).get();
        assert_eq!(room(20_000, 1024), 768);
        assert_eq!(room(20_000, 1 << 20), 20_000);
        assert_eq!(room(20_000, u64::MAX), 20_000);
        assert_eq!(room(20_000, 256), 128);
        assert_eq!(room(20_000, 0), 1);
    }
}
