//! The application of `examples/app`, which stands in where a checkout of ours describes none.

use super::session::Session;
use crate::config::{App, Stack};
use crate::engine::is_checkout;

/// The port that it listens on, and that it is published on.
const PORT: u16 = 8080;

/// The example, where the description is a checkout's own and has no application.
pub(super) fn example(stack: &Stack) -> Option<App> {
    let folder = stack.folder.join("examples/app");
    let stands_in = stack.app.is_none() && is_checkout(&stack.folder) && folder.join("Dockerfile").is_file();
    stands_in.then(|| App::in_folder(&stack.project, folder, &[PORT]))
}

impl Session<'_> {
    /// Lets the example stand in, and returns whether it does.
    pub(super) fn stand_in(&mut self) -> bool {
        let Some(app) = example(&self.stack) else { return false };
        self.stack.app = Some(app);
        true
    }
}
