//! What a value alone can't tell: paths, pairs of keys, files that must be there.

use super::key::Key;
use super::{
    Config, Email, Globus, MailTransport, Place, Purpose, Schedule, ScheduleFrom, SignIn, Smtp, SmtpSecurity,
};
use crate::domain::Field;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Longest record name in EPICS base 7 (PVNAME_STRINGSZ, less the end).
const PV_NAME_MAX: usize = 60;

/// Longest of the record names in db/beamshare.db after `$(P)$(R)`, with room for later ones.
const RECORD_NAME_MAX: usize = 16;

/// The quiet time beyond which an operator would take beamshare for dead.
const SETTLE_MAX: Duration = Duration::from_secs(3600);

/// Makes the paths in the file, which are relative to its folder, usable from the working directory.
pub(super) fn resolve(config: &mut Config) {
    let folder = config.file.parent().map(Path::to_owned).unwrap_or_default();
    let home = std::env::home_dir();
    let from_file = |path: &mut PathBuf| {
        *path = match (path.strip_prefix("~"), &home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => folder.join(&path),
        };
    };
    for place in &mut config.directories.on {
        if place.host.is_none() {
            from_file(&mut place.top);
        }
        [&mut place.key_file, &mut place.password_file, &mut place.known_hosts]
            .into_iter()
            .flatten()
            .for_each(from_file);
    }
    match config.globus.as_mut().map(|globus| &mut globus.sign_in) {
        Some(SignIn::Service { client_secret_file: file, .. }) => from_file(file),
        Some(SignIn::TokenStore { file, .. }) if file.as_os_str().is_empty() => {}
        Some(SignIn::TokenStore { file, .. } | SignIn::AccessTokenFile { file }) => from_file(file),
        None => {}
    }
    if let Some(email) = &mut config.email {
        email.templates().for_each(from_file);
    }
    let of_people = config.email.iter_mut().map(|email| &mut email.transport);
    for transport in of_people.chain(config.sender.iter_mut().map(|sender| &mut sender.transport)) {
        match transport {
            MailTransport::Smtp(Smtp { ca_file, password_file, .. }) => {
                [ca_file, password_file].into_iter().flatten().for_each(from_file);
            }
            MailTransport::Folder { path } => from_file(path),
        }
    }
    match config.schedule.as_mut().map(|schedule| &mut schedule.from) {
        Some(ScheduleFrom::Aps(service)) => from_file(&mut service.password_file),
        Some(ScheduleFrom::File { path }) => from_file(path),
        None => {}
    }
    for program in config.hooks.iter_mut().filter_map(|hook| hook.command.first_mut()) {
        let mut path = PathBuf::from(&*program);
        // A bare name would be another program with another PATH; it is told as a mistake.
        if path.components().count() > 1 {
            from_file(&mut path);
            *program = path.to_string_lossy().into_owned();
        }
    }
    config.rules.tag_key_file.iter_mut().for_each(from_file);
    from_file(&mut config.journal.path);
    if let Some(SignIn::TokenStore { file, .. }) = config.globus.as_mut().map(|globus| &mut globus.sign_in)
        && file.as_os_str().is_empty()
    {
        *file = config.journal.path.with_extension("globus-tokens.json");
    }
    config.log.folder.iter_mut().for_each(from_file);
}

/// What is wrong with settings, each with its key.
pub type Problems = Vec<(Vec<Key>, String)>;

/// Checks settings that were read.
pub type Check = fn(&Config) -> Problems;

/// The way to a value: `key!["hooks", 0, "command"]`.
macro_rules! key {
    ($($part:expr),+) => { vec![$($crate::config::Key::from($part)),+] };
}
pub(crate) use key;

pub(super) fn check(config: &Config) -> Problems {
    let mut problems = vec![];
    check_beamline(config, &mut problems);
    if config.purpose == Purpose::Beamline {
        check_epics(config, &mut problems);
        check_trust(config, &mut problems);
        check_directories(config, &mut problems);
    }
    if let Some(globus) = &config.globus {
        check_globus(globus, &mut problems);
    }
    if let Some(email) = &config.email {
        check_email(config, email, &mut problems);
    }
    if let Some(sender) = &config.sender {
        check_transport(&sender.transport, &mut problems);
    }
    if let Some(Schedule { from: ScheduleFrom::Aps(service), .. }) = &config.schedule {
        for (name, text) in [("beamline", &service.beamline), ("user", &service.user)] {
            check_text(text, key!["schedule", "from", "aps", name], &mut problems);
        }
        // Basic authentication ends the name at the first colon.
        if service.user.contains(':') {
            let message = "must be the account's name alone; its password stands in password_file".to_owned();
            problems.push((key!["schedule", "from", "aps", "user"], message));
        }
    }
    super::sync::check(config, &mut problems);
    check_hooks(config, &mut problems);
    for (n, host) in config.web.hosts.iter().enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if host.is_empty() || !host.chars().all(is_name) {
            let message =
                format!("{host:?} is no host name like \"beamshare.example.org\", without scheme and port");
            problems.push((key!["web", "hosts", n], message));
        }
    }
    if let Some(level) = &config.log.level
        && let Err(error) = super::log_filter(level)
    {
        let hint = "like \"info\" or \"info,beamshare=debug\"";
        problems.push((key!["log", "level"], format!("{level:?} is no log filter {hint}: {error}")));
    }
    problems
}

/// A text that is shown and written somewhere: not blank, on one line.
pub(super) fn check_text(text: &str, key: Vec<Key>, problems: &mut Problems) {
    if text.trim().is_empty() {
        problems.push((key, "must not be empty".to_owned()));
    } else if text.contains(char::is_control) {
        problems.push((key, format!("{text:?} has a control character in it")));
    }
}

fn check_beamline(config: &Config, problems: &mut Problems) {
    check_text(&config.beamline.name, key!["beamline", "name"], problems);
    if let Some(facility) = &config.beamline.facility {
        check_text(facility, key!["beamline", "facility"], problems);
    }
    if let Some(zone) = &config.beamline.time_zone
        && let Err(error) = jiff::tz::TimeZone::get(zone)
    {
        let message = format!("{zone:?} is no time zone like \"America/Chicago\" on this machine: {error}");
        problems.push((key!["beamline", "time_zone"], message));
    }
    for (key, duration) in [("settle", config.rules.settle), ("run_limit", config.rules.run_limit)] {
        if duration > SETTLE_MAX {
            problems.push((key!["rules", key], "must not be longer than an hour".to_owned()));
        }
    }
}

fn check_epics(config: &Config, problems: &mut Problems) {
    let prefix = &config.epics.prefix;
    check_pv_name(prefix, PV_NAME_MAX - RECORD_NAME_MAX, "prefix", key!["epics", "prefix"], problems);
    let mut seen: HashMap<&str, Field> = HashMap::new();
    for (&field, name) in &config.epics.user_info {
        let key = key!["epics", "user_info", field.key()];
        check_pv_name(name, PV_NAME_MAX, "PV name", key.clone(), problems);
        if let Some(other) = seen.insert(name, field) {
            problems
                .push((key, format!("{name} is already the PV of {}; each field has its own", other.key())));
        }
    }
    for field in Field::REQUIRED {
        if !config.epics.user_info.contains_key(&field) {
            let message = "this key is missing: without it there is no experiment".to_owned();
            problems.push((key!["epics", "user_info", field.key()], message));
        }
    }
}

fn check_trust(config: &Config, problems: &mut Problems) {
    if let Some(required) = config.rules.trust
        && config.trust() < required
    {
        let message = format!(
            "\"{required}\" needs {}; add it, or set trust to \"{}\", which is what these settings have",
            required.key(),
            config.trust(),
        );
        problems.push((key!["rules", "trust"], message));
    }
    if config.rules.tag_key_file.is_none() {
        return;
    }
    for (field, reason) in [
        (Field::Signature, "the PV that holds the signature"),
        (Field::UpdateTime, "without the update time, an old set could be put again"),
    ] {
        if !config.epics.user_info.contains_key(&field) {
            let message = format!("needs {} in [epics.user_info]: {reason}", field.key());
            problems.push((key!["rules", "tag_key_file"], message));
        }
    }
}

fn check_pv_name(name: &str, max: usize, what: &str, key: Vec<Key>, problems: &mut Problems) {
    if name.is_empty() {
        problems.push((key, format!("the {what} must not be empty")));
    } else if let Some(c) = name.chars().find(|c| !c.is_ascii_graphic()) {
        problems.push((key, format!("{name:?} can't be a {what}: it holds {c:?}")));
    } else if name.len() > max {
        problems.push((key, format!("this {what} has {} characters; it may have {max}", name.len())));
    }
}

fn check_directories(config: &Config, problems: &mut Problems) {
    let directories = &config.directories;
    if directories.paths.is_empty() {
        let message = "needs at least one path, like \"{{ year_month }}/{{ pi_last_name }}\"".to_owned();
        problems.push((key!["directories", "paths"], message));
    }
    for (n, path) in directories.paths.iter().enumerate() {
        if directories.paths[..n].contains(path) {
            problems.push((key!["directories", "paths", n], format!("{path} is already in the list")));
        }
    }
    if let Some(group) = &directories.group {
        check_text(group, key!["directories", "group"], problems);
    }
    for (n, place) in directories.on.iter().enumerate() {
        if directories.on[..n].iter().any(|other| other.name.eq_ignore_ascii_case(&place.name)) {
            let message = format!("{:?} is already a place's name; each has its own", place.name);
            problems.push((key!["directories", "on", n, "name"], message));
        }
        if directories.on[..n].iter().any(|other| other.host == place.host && other.top == place.top) {
            let message =
                format!("{} is already the top of another place on the same machine", place.top.display());
            problems.push((key!["directories", "on", n, "top"], message));
        }
        check_place(place, n, problems);
    }
}

fn check_place(place: &Place, n: usize, problems: &mut Problems) {
    let key = |name: &str| key!["directories", "on", n, name];
    check_text(&place.name, key("name"), problems);
    if let Some(group) = &place.group {
        check_text(group, key("group"), problems);
    }
    if place.top.components().any(|part| part == Component::ParentDir) {
        problems.push((key("top"), "must not have \"..\" in it".to_owned()));
    }
    match &place.host {
        Some(host) => {
            check_host(host, key("host"), problems);
            if !place.top.is_absolute() {
                let message = format!("{} must begin with /: it is on {host}", place.top.display());
                problems.push((key("top"), message));
            }
        }
        None => {
            let ssh = [
                ("key_file", &place.key_file),
                ("password_file", &place.password_file),
                ("known_hosts", &place.known_hosts),
            ];
            for (name, _) in ssh.iter().filter(|(_, file)| file.is_some()) {
                let message = "is for hosts over SSH; add the key host, or take this one out".to_owned();
                problems.push((key(name), message));
            }
        }
    }
}

/// `host`, `user@host`, `user@host:port`; the host may be an alias of ~/.ssh/config.
fn check_host(host: &str, key: Vec<Key>, problems: &mut Problems) {
    let (user, rest) = host.split_once('@').map_or((None, host), |(user, rest)| (Some(user), rest));
    let bare_ipv6 = rest.matches(':').count() > 1 && !rest.starts_with('[');
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !bare_ipv6 && !rest.ends_with(']') => (name, Some(port)),
        _ => (rest, None),
    };
    let blank = |text: &str| text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic() || c == '@');
    if blank(name) || name.starts_with('-') || user.is_some_and(blank) {
        problems.push((
            key,
            format!("{host:?} is no host like \"detector\", \"user@detector\" or \"user@detector:22\""),
        ));
    } else if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
        problems.push((key, format!("{host:?} has no port number after its colon")));
    }
}

fn check_globus(globus: &Globus, problems: &mut Problems) {
    if let Some(duration) = globus.retention.filter(|duration| *duration < Duration::from_secs(3600)) {
        let message = format!(
            "{duration:?} is shorter than an hour: the access would end before anyone reads the e-mail"
        );
        problems.push((key!["globus", "retention"], message));
    }
    if globus.notify_message.is_some() && !globus.notify_email {
        let message = "would never be sent: notify_email is not true".to_owned();
        problems.push((key!["globus", "notify_message"], message));
    }
    for (n, address) in globus.share_with.iter().enumerate() {
        if globus.share_with[..n].contains(address) {
            problems.push((key!["globus", "share_with", n], format!("{address} is already in the list")));
        }
    }
}

fn check_hooks(config: &Config, problems: &mut Problems) {
    for (n, hook) in config.hooks.iter().enumerate() {
        problems.extend(hook.check(config).into_iter().map(|(name, message)| {
            let key = key!["hooks", n];
            (key.into_iter().chain(name.map(Key::from)).collect(), message)
        }));
        if config.hooks[..n].iter().any(|other| other.step() == hook.step() && other.name() == hook.name()) {
            let message = format!(
                "there is already a hook {:?} of {}; give each a name of its own (name = \"...\")",
                hook.name(),
                hook.step()
            );
            problems.push((key!["hooks", n, "name"], message));
        }
    }
}

fn check_email(config: &Config, email: &Email, problems: &mut Problems) {
    check_text(&email.subject, key!["email", "subject"], problems);
    if let Some(telephone) = &email.telephone {
        check_text(telephone, key!["email", "telephone"], problems);
    }
    if let Some(of_copies) = email.of_copies() {
        check_text(&of_copies.subject, key!["email", "copy", "subject"], problems);
    }
    let retention = config.globus.as_ref().and_then(|globus| globus.retention);
    match (email.reminder, retention) {
        (Some(_), None) => {
            let message = "needs retention in [globus]: without it, no access ends".to_owned();
            problems.push((key!["email", "reminder"], message));
        }
        (Some(reminder), Some(retention)) if reminder >= retention => {
            let message = format!("must be shorter than globus.retention, which is {retention:?}");
            problems.push((key!["email", "reminder"], message));
        }
        _ => {}
    }
    if email.reminder.is_some() && email.reminder_text_template.is_none() {
        let message =
            "needs reminder_text_template, like \"reminder.txt\": `beamshare init` writes one".to_owned();
        problems.push((key!["email", "reminder"], message));
    }
}

fn check_transport(transport: &MailTransport, problems: &mut Problems) {
    match transport {
        MailTransport::Folder { .. } => {}
        MailTransport::Smtp(Smtp { host, port, security, user, password_file, .. }) => {
            let key = |name: &str| key!["email", "transport", "smtp", name];
            if host.is_empty() || host.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '@' | '/')) {
                problems.push((key("host"), format!("{host:?} is no host name like \"mail.example.org\"")));
            }
            if *port == Some(0) {
                problems
                    .push((key("port"), "there is no port 0; take the key out for the usual one".to_owned()));
            }
            match (user, password_file) {
                (Some(_), None) => {
                    problems.push((
                        key("user"),
                        "needs password_file, a file of mode 0600 with its password".to_owned(),
                    ));
                }
                (None, Some(_)) => {
                    problems.push((
                        key("password_file"),
                        "needs user, the name that the password is for".to_owned(),
                    ));
                }
                _ => {}
            }
            let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
            if *security == SmtpSecurity::None && user.is_some() && !here {
                let message =
                    "\"none\" would send the password in the clear; use \"starttls\" or \"tls\"".to_owned();
                problems.push((key("security"), message));
            }
        }
    }
}
