//! A panic anywhere in the process ends it: half a node must not go on.

use elastickv::env::NodeId;
use std::io::Write;
use std::panic;

/// As Rust's own runtime does after a panic of the main thread.
const PANICKED: i32 = 101;

/// From now on a panic prints one line and ends the process with 101, also in a task or on another thread.
pub(super) fn end_the_process(id: NodeId) {
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let literal = payload.downcast_ref::<&str>().copied();
        let text = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no message").replace('\n', " ");
        let place = info.location().map_or_else(String::new, |place| format!(", at {place}"));
        // Err: there is nobody left to tell.
        let _ = writeln!(std::io::stderr().lock(), "node {id} panicked: {text}{place}");
        std::process::exit(PANICKED);
    }));
}
