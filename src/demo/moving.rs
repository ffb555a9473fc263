//! The detector writes, and the data moves: what came of it at the destination.

use super::finding::{client, directory_name, find_message};
use super::stage::{ARCHIVE, Stage};
use super::tagging::Group;
use super::{Result, say};
use std::path::PathBuf;

/// Names and sizes of what the detector writes.
const FILES: [(&str, usize); 3] = [("scan_001.h5", 3_000_000), ("scan_002.h5", 1_000_000), ("scan.log", 60)];

fn directory(group: &Group) -> Result<String> {
    Ok(format!("{}/{}", group.year_month, directory_name(&group.last)?))
}

/// Writes the files into the group's directory on this machine.
pub fn write(stage: &Stage, group: &Group) -> Result<()> {
    let folder = stage.path("data").join(directory(group)?);
    say(format_args!("\nThe detector writes {} files into {}:\n", FILES.len(), folder.display()));
    for (n, (name, size)) in FILES.into_iter().enumerate() {
        let path = folder.join(name);
        let bytes: Vec<u8> = (0..size).map(|at| (at * (n + 3)) as u8).collect();
        std::fs::write(&path, bytes).map_err(|error| format!("can't write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Looks for the copies of the files, the access to them, and the message about them; what is missing.
pub async fn look(stage: &Stage, group: &Group) -> Result<Vec<String>> {
    let mut missing = vec![];
    let directory = directory(group)?;
    let (here, there) = (stage.path("data").join(&directory), stage.path("archive/2bm").join(&directory));
    say(format_args!("\nThe archive: {}", there.display()));
    let read = |path: &PathBuf| std::fs::read(path).ok();
    for (name, _) in FILES {
        let copy = there.join(name);
        match (read(&here.join(name)), read(&copy)) {
            (Some(here), Some(there)) if here == there => {
                say(format_args!("  {name}  {} bytes", there.len()))
            }
            _ => missing.push(format!("whole copy {}", copy.display())),
        }
    }
    let globus = client(stage)?;
    let rules =
        globus.transfer().access_rules(ARCHIVE).list().await.map_err(|error| error.to_string())?.rules;
    let people = globus.auth().identities().by_usernames(&[&group.email]).send().await;
    let pi = people.map_err(|error| error.to_string())?.iter().next().map(|person| person.id);
    let path = format!("/2bm/{directory}/");
    if pi.is_some_and(|pi| rules.iter().any(|rule| rule.is_for(pi) && rule.path == path)) {
        say(format_args!("  {} may read {path} there, too", group.email))
    } else {
        missing.push(format!("access rule for {} on {path} of the archive", group.email))
    }
    match find_message(&stage.path("outbox"), &group.email, &ARCHIVE.to_string())? {
        Some((file, text)) => {
            say(format_args!("\nThe second message, {file} (text part):\n"));
            text.lines().for_each(|line| say(format_args!("  | {line}")));
        }
        None => missing.push(format!("message to {} about the copy", group.email)),
    }
    Ok(missing)
}
