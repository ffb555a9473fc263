//! Asks for confirmation before a command does what the service would hold.

use super::failure::{Exit, Failure};
use super::print;
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Args, Clone, Copy, Default)]
pub struct Confirm {
    /// Continue without asking
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
        if reasons.is_empty() {
            return Ok(());
        }
        let why = reasons.join(". ");
        let advice = "Add --yes if that is right, or press Approve on the screen";
        self.confirm(&format!("The service would hold this: {why}"), &format!("held: {why}"), advice)
    }

    /// Says what the command is about to do, and continues only with --yes or a confirmation.
    ///
    /// # Errors
    /// [`Exit::Held`] without a confirmation.
    pub fn ask_before(self, action: &str) -> Result<(), Failure> {
        self.confirm(action, &format!("not confirmed: {action}"), "Add --yes if that is right")
    }

    fn confirm(self, question: &str, refusal: &str, advice: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let refused = |advice: &str| {
            let message = format!("{}. {advice}", print::plain(refusal));
            Failure { exit: Exit::Held, message }
        };
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(refused(advice));
        }
        let mut screen = std::io::stderr();
        let _ = write!(screen, "{}.\nContinue? [y/N] ", print::plain(question));
        let _ = screen.flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(refused("Nothing was done")),
        }
    }
}
