//! Asks for confirmation before a command does what the service would hold.

use super::failure::{Exit, Failure};
use super::print;
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Args, Clone, Copy, Default)]
pub struct Confirm {
    /// Continue without asking, although the service would hold this group
    #[arg(long, short = 'y', alias = "approve")]
    yes: bool,
}

impl Confirm {
    /// Prints the reasons for which the service would hold the group, and continues only with --yes or a
    /// confirmation.
    ///
    /// # Errors
    /// [`Exit::Held`] without a confirmation.
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
        let _ = write!(screen, "The service would hold this: {why}.\nContinue? [y/N] ");
        let _ = screen.flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(held("Nothing was done")),
        }
    }
}
