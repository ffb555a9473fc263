//! The question before a verb does by hand what the service would hold.

use super::failure::{Exit, Failure};
use super::print;
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Args, Clone, Copy, Default)]
pub struct Confirm {
    /// Go on although the service would hold this, without a question: read first what it says
    #[arg(long, short = 'y', alias = "approve")]
    yes: bool,
}

impl Confirm {
    /// Says what the service would hold, and goes on only if --yes was given or the person at the terminal says so.
    ///
    /// # Errors
    /// [`Exit::Held`] where nobody has confirmed it.
    pub fn ask(self, reasons: &[String]) -> Result<(), Failure> {
        if reasons.is_empty() || self.yes {
            return Ok(());
        }
        let why = print::plain(&reasons.join(". "));
        let held = |advice: &str| Failure { exit: Exit::Held, message: format!("held: {why}. {advice}") };
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(held("Add --yes if that is right, or press Approve on the screen"));
        }
        let mut screen = std::io::stderr();
        let _ = write!(screen, "The service would hold this: {why}.\nGo on? [y/N] ");
        let _ = screen.flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(held("Nothing was done")),
        }
    }
}
