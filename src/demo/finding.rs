//! What came of it, asked from where it must be: the file system, the Globus simulator, the mail folder.

use super::stage::{COLLECTION, SECRET, SERVICE, Stage};
use super::tagging::Group;
use super::{Result, say};
use beamshare::domain::path_component;
use globus_transfer_client::{
    AccessRule, Authorizer, ClientCredentials, GlobusClient, Identities, PrincipalType,
};
use mailparse::{MailHeaderMap, ParsedMail};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use url::Url;

/// The findings of the demo: what was found, and what is missing.
pub struct Finding {
    rules: Vec<AccessRule>,
    people: Identities,
    /// The message to the PI: its file, and as lines to be shown
    message: Option<(String, String)>,
    /// What should be there and is not
    pub missing: Vec<String>,
}

/// Looks everywhere for what `group` should have got.
pub async fn look(stage: &Stage, group: &Group, link: &str) -> Result<Finding> {
    let mut missing = Vec::new();
    let directory = format!("{}/{}", group.year_month, directory_name(&group.last)?);
    for top in ["data", "globus/2bm"] {
        for path in [directory.clone(), format!("{directory}_rec")] {
            let path = stage.path(top).join(path);
            if !path.is_dir() {
                missing.push(format!("directory {}", path.display()));
            }
        }
    }
    let globus = client(stage)?;
    let rules =
        globus.transfer().access_rules(COLLECTION).list().await.map_err(|error| error.to_string())?.rules;
    let ids: Vec<_> = rules.iter().filter_map(|rule| rule.principal.parse().ok()).collect();
    let people = globus.auth().identities().by_ids(&ids).send().await.map_err(|error| error.to_string())?;
    let path = format!("/{directory}/");
    let pi = people.find(&group.email);
    if !pi.is_some_and(|pi| rules.iter().any(|rule| rule.is_for(pi.id) && rule.path == path)) {
        missing.push(format!("access rule for {} on {path}", group.email));
    }
    let message = find_message(&stage.path("outbox"), &group.email, &COLLECTION.to_string())?;
    match &message {
        Some((_, text)) if !link.is_empty() && text.contains(link) => {}
        Some((file, _)) => missing.push(format!("link ({link}) in the message {file}")),
        None => missing.push(format!("message to {} in {}", group.email, stage.path("outbox").display())),
    }
    Ok(Finding { rules, people, message, missing })
}

impl Finding {
    pub fn show(&self, stage: &Stage) {
        for (title, top) in [("This machine", "data"), ("The Globus collection", "globus/2bm")] {
            let top = stage.path(top);
            say(format_args!("\n{title}: {}", top.display()));
            show_tree(&top, "  ");
        }
        say("\nThe collection's access rules, as Globus tells them:");
        for rule in &self.rules {
            let person = self.people.iter().find(|person| rule.is_for(person.id));
            let whom = match (person, rule.principal_type) {
                (Some(person), _) if person.id == SERVICE => "the service itself".to_owned(),
                (Some(person), _) => person.username.clone(),
                (None, PrincipalType::Identity) => rule.principal.clone(),
                (None, other) => format!("{other:?}"),
            };
            say(format_args!("  {:<24} may {:<3} {}", whom, rule.permissions, rule.path));
        }
        if let Some((file, text)) = &self.message {
            say(format_args!("\nThe message, {file} (text part):\n"));
            for line in text.lines() {
                say(format_args!("  | {line}"));
            }
        }
    }
}

/// The name of the directory that the settings of the demo make of a last name.
pub fn directory_name(last_name: &str) -> Result<String> {
    path_component(last_name).ok_or_else(|| format!("no directory can be named after {last_name:?}"))
}

/// A client of the simulator, as the service.
pub fn client(stage: &Stage) -> Result<GlobusClient> {
    let url = |path: &str| {
        Url::parse(&format!("http://{}{path}", stage.globus_address())).map_err(|error| error.to_string())
    };
    GlobusClient::builder()
        .auth_url(url("")?)
        .transfer_url(url("/v0.10")?)
        .authorizer(Authorizer::client_credentials(ClientCredentials::new(SERVICE, SECRET)))
        .build()
        .map_err(|error| error.to_string())
}

/// A message to this address that says this, e.g. the collection of its link: its file, and its headers and
/// text as lines.
pub fn find_message(folder: &Path, address: &str, says: &str) -> Result<Option<(String, String)>> {
    let can_t = |error: std::io::Error| format!("can't read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(can_t)? {
        let path = entry.map_err(can_t)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if !name.contains(&address.to_lowercase()) {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(can_t)?;
        let unreadable = |error| format!("{} is no message: {error}", path.display());
        let mail = mailparse::parse_mail(&bytes).map_err(unreadable)?;
        let headers = ["From", "To", "Cc", "Subject"].into_iter().filter_map(|header| {
            let value = mail.headers.get_first_value(header)?;
            Some(format!("{header}: {value}\n"))
        });
        let text = text_part(&mail).map(|part| part.get_body()).transpose().map_err(unreadable)?;
        let lines = headers.collect::<String>() + "\n" + &text.unwrap_or_default();
        if !lines.contains(says) {
            continue;
        }
        return Ok(Some((path.display().to_string(), lines)));
    }
    Ok(None)
}

fn text_part<'m>(mail: &'m ParsedMail<'m>) -> Option<&'m ParsedMail<'m>> {
    mail.parts().find(|part| part.ctype.mimetype == "text/plain")
}

/// The directories below, with their modes as `ls` shows them.
fn show_tree(folder: &Path, indent: &str) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let mode = entry.metadata().map(|metadata| metadata.mode() & 0o7777).unwrap_or_default();
        let name = entry.file_name();
        say(format_args!("{indent}{mode:04o} {}/", name.to_string_lossy()));
        show_tree(&entry.path(), &format!("{indent}  "));
    }
}
