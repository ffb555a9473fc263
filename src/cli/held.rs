//! A held group as the command line prints it.

use super::print;
use beamshare::domain::{HeldGroup, listed};

/// Prints what is asked, for whom, who gains and loses access, what is mailed, and each reason with its
/// remedy.
pub fn print_held(held: &HeldGroup) {
    let line = |name: &str, text: &str| {
        if !text.is_empty() {
            print::line(format_args!("{name:<11} {}", print::plain(text)));
        }
    };
    line("Held", &held.question);
    line("For", &held.group.description());
    line("Directory", &held.directories.join(", "));
    if let Some(other) = &held.other {
        let text = format!("{}, {} ({})", other.group.name(), other.group.description(), other.directory);
        line("Other group", &format!("{text}, {}", other.relation));
    }
    line("Gains", &listed(&held.gains));
    line("Loses", &listed(&held.loses));
    for mail in &held.mails {
        line("Mail", &format!("{}: {}", mail.about, listed(&mail.recipients)));
    }
    for (index, reason) in held.reasons.iter().enumerate() {
        line(&format!("Reason {}", index + 1), &reason.reason);
        line("", &format!("-> {}", reason.remedy));
    }
}
