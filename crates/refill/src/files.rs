//! How many files this process may have open. Each connection is one, and a shell gives fewer than a door has places or merchants have
//! endpoints, though more may be had for the asking.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside the door's connections: the database's, the broker's, logs, and what a moment needs.
const OTHERS: u64 = 256;

/// Takes as many as this process is allowed to have.
pub(crate) fn take_all_allowed() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it was");
    }
}

/// Says so if fewer may be open than a door with so many connections needs.
pub(crate) fn see_that_there_is_room_for(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX) + OTHERS;
    if let Some(allowed) = getrlimit(Resource::Nofile).current
        && allowed < wanted
    {
        tracing::warn!(
            allowed,
            wanted,
            "ingress.max_connections needs more open files than this process may have (ulimit -Hn)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shells_limit_is_raised_as_far_as_is_allowed() {
        let allowed = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(200),
            ..allowed
        };
        setrlimit(Resource::Nofile, low).unwrap();
        take_all_allowed();
        assert_eq!(getrlimit(Resource::Nofile).current, allowed.maximum);
    }
}
