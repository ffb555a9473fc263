use super::failure::{Exit, Failure};
use super::{Outcome, Settings, print};
use beamshare::config::{self, Trust};
use clap::{Args, ValueEnum};
use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// Write the commented settings, the message templates and a systemd unit, to be edited
///
/// The settings need a level of trust: who may be named as the user group. On a terminal, init asks for it; a
/// script must choose it with the options below. Nothing is overwritten, unless --force is given.
#[derive(Args)]
pub struct Init {
    /// The folder; created if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// Overwrite existing files, except a key
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    trust: TrustChoice,
}

/// The level of trust that the settings begin with.
#[derive(Args, Clone, Default)]
struct TrustChoice {
    /// Serve only PIs with an address of this domain or below it; may be repeated
    #[arg(long, value_name = "DOMAIN", value_parser = config::mail_domain)]
    email_domain: Vec<String>,

    /// Serve only groups on the facility's schedule
    #[arg(long, value_name = "KIND")]
    schedule: Option<ScheduleKind>,

    /// Serve only user info signed with a key, which is written to tag.key
    #[arg(long)]
    tag_key: bool,

    /// Serve whoever the PVs name: everybody who can write them is trusted
    #[arg(long, conflicts_with_all = ["email_domain", "schedule", "tag_key"])]
    network: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScheduleKind {
    /// The scheduling service of the Advanced Photon Source
    Aps,
    /// A TOML or CSV file
    File,
}

const FILES: [(&str, &str); 9] = [
    ("beamshare.toml", include_str!("../../config/beamshare.toml")),
    ("message.txt", include_str!("../../config/message.txt")),
    ("message.html", include_str!("../../config/message.html")),
    ("message_copy.txt", include_str!("../../config/message_copy.txt")),
    ("message_copy.html", include_str!("../../config/message_copy.html")),
    ("reminder.txt", include_str!("../../config/reminder.txt")),
    ("reminder.html", include_str!("../../config/reminder.html")),
    ("pi_change.txt", include_str!("../../config/pi_change.txt")),
    ("beamshare.service", include_str!("../../config/beamshare.service")),
];

/// No default: whoever is named as the PI gets access to data.
const NO_CHOICE: &str = "nothing written: no level of trust was chosen; \
                         add --email-domain DOMAIN, --schedule KIND, --tag-key or --network";

/// The key file's name, as the settings have it.
const KEY: &str = "tag.key";

impl Init {
    pub fn act(self) -> Outcome {
        let files = FILES.map(|(name, content)| (self.folder.join(name), content));
        if !self.force {
            let there: Vec<String> = files
                .iter()
                .filter(|(file, _)| file.exists())
                .map(|(file, _)| file.display().to_string())
                .collect();
            if !there.is_empty() {
                let there = there.join(", ");
                return Err(Failure::failed(format!(
                    "nothing written: {there} would be overwritten; name another folder, or add --force"
                )));
            }
        }
        let stdin = std::io::stdin();
        let trust = if self.trust.is_made() {
            self.trust.clone()
        } else if !stdin.is_terminal() {
            return Err(Failure::usage(NO_CHOICE));
        } else {
            let asked = ask(&mut stdin.lock(), &mut std::io::stderr());
            let asked = asked.map_err(|error| Failure::failed(format!("can't ask: {error}")))?;
            asked.ok_or_else(|| Failure::usage(NO_CHOICE))?
        };
        let folder = self.folder.display();
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| Failure::failed(format!("can't make the folder {folder}: {error}")))?;
        for (file, content) in files {
            let content =
                if file.ends_with("beamshare.toml") { trust.settings(content) } else { content.to_owned() };
            let mut options = OpenOptions::new();
            if self.force {
                options.write(true).create(true).truncate(true);
            } else {
                options.write(true).create_new(true); // fails, too, where another process has just written the file
            }
            options
                .open(&file)
                .and_then(|mut open| open.write_all(content.as_bytes()))
                .map_err(|error| Failure::failed(format!("can't write {}: {error}", file.display())))?;
            print::line(format_args!("wrote {}", file.display()));
        }
        let key = self.folder.join(KEY);
        if trust.tag_key && !key.exists() {
            config::write_new_tag_key(&key)?;
            print::line(format_args!("wrote {}", key.display()));
        }
        print::lines(format_args!("\nLevel of trust: {}. {}", trust.level(), trust.next()));
        let file = self.folder.join("beamshare.toml");
        let option = if Settings::found_without_option(&file) {
            String::new()
        } else {
            format!(" --config {}", file.display())
        };
        print::line(format_args!("Now edit {}, then run: beamshare check{option}", file.display()));
        Ok(Exit::Done)
    }
}

impl TrustChoice {
    fn is_made(&self) -> bool {
        self.network || self.tag_key || self.schedule.is_some() || !self.email_domain.is_empty()
    }

    fn level(&self) -> Trust {
        if self.network {
            Trust::Network
        } else if self.tag_key {
            Trust::Signed
        } else if self.schedule.is_some() {
            Trust::Schedule
        } else {
            Trust::Domains
        }
    }

    /// The remaining tasks for this level.
    fn next(&self) -> &'static str {
        match self.level() {
            Trust::Network => "Everybody who can write the user-info PVs decides who gets access.",
            Trust::Domains => "Other addresses are rejected.",
            Trust::Schedule => "Complete [schedule.from]; groups that it does not list wait for Approve.",
            Trust::Signed => {
                "Load db/user_info_signature.db in the IOC, and tag with the key: docs/signed-tags.md."
            }
        }
    }

    /// The settings with this choice. The file's own are those of the level `domains`.
    fn settings(&self, text: &str) -> String {
        let domains = self.email_domain.iter().map(|domain| toml::Value::from(domain.as_str())).collect();
        let domains = format!("email_domains = {}", toml::Value::Array(domains));
        let schedule: &[&str] = match self.schedule {
            Some(ScheduleKind::Aps) => {
                &["[schedule.from.aps]", "beamline = ", "user = ", "password_file = \"schedule."]
            }
            Some(ScheduleKind::File) => &["[schedule.from.file]", "path = \"schedule."],
            None => &[],
        };
        let mut in_schedule = false;
        let lines = text.lines().map(|line| {
            let option = line.strip_prefix('#').unwrap_or_default();
            in_schedule = match option {
                "[schedule.from.aps]" | "[schedule.from.file]" => schedule.first() == Some(&option),
                "" => false,
                _ => in_schedule,
            };
            if line.starts_with("trust = ") {
                format!("trust = \"{}\"", self.level())
            } else if line.starts_with("email_domains = ") {
                domains.clone()
            } else if self.tag_key
                && (option.starts_with("signature = ") || option.starts_with("tag_key_file = "))
                || in_schedule && schedule.iter().any(|key| option.starts_with(key))
            {
                option.to_owned()
            } else {
                line.to_owned()
            }
        });
        lines.map(|line| line + "\n").collect()
    }
}

/// Asks for the level. `None` where the answer is empty, or the input ends.
fn ask(input: &mut impl BufRead, screen: &mut impl Write) -> std::io::Result<Option<TrustChoice>> {
    writeln!(
        screen,
        "beamshare gives access to the person that the user-info PVs name, and any client of the network \
         may be able to\n\
         write them. Whom may they name?\n\
         \x20 1  groups on the facility's schedule           (--schedule aps, --schedule file)\n\
         \x20 2  people with an address of certain domains   (--email-domain DOMAIN)\n\
         \x20 3  groups whose user info is signed            (--tag-key)\n\
         \x20 4  anyone: the network is trusted              (--network)"
    )?;
    let mut question = |text: &str| -> std::io::Result<Option<String>> {
        write!(screen, "{text}: ")?;
        screen.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        Ok(Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty()))
    };
    loop {
        let Some(number) = question("Number")? else { return Ok(None) };
        let choice = match number.as_str() {
            "1" => loop {
                let Some(kind) = question("Schedule of the APS, or a file (aps, file)")? else {
                    return Ok(None);
                };
                if let Ok(kind) = ScheduleKind::from_str(&kind, true) {
                    break TrustChoice { schedule: Some(kind), ..TrustChoice::default() };
                }
            },
            "2" => loop {
                let Some(domains) = question("Domains, e.g. example.org example.edu")? else {
                    return Ok(None);
                };
                let domains = domains.split([' ', ',']).filter(|domain| !domain.is_empty());
                if let Ok(email_domain) = domains.map(config::mail_domain).collect() {
                    break TrustChoice { email_domain, ..TrustChoice::default() };
                }
            },
            "3" => TrustChoice { tag_key: true, ..TrustChoice::default() },
            "4" => TrustChoice { network: true, ..TrustChoice::default() },
            _ => continue,
        };
        return Ok(Some(choice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written as in a script: nobody is asked.
    fn written(trust: TrustChoice) -> (tempfile::TempDir, config::Config) {
        let folder = tempfile::tempdir().unwrap();
        let init = Init { folder: folder.path().to_owned(), force: false, trust };
        assert_eq!(init.act().unwrap(), Exit::Done);
        let config = beamshare::settings::load(&folder.path().join("beamshare.toml")).unwrap();
        (folder, config)
    }

    #[test]
    fn what_is_written_can_be_used_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let trust = TrustChoice { tag_key: true, ..TrustChoice::default() };
        let here = || Init { folder: folder.path().join("new/2bm"), force: false, trust: trust.clone() };
        assert_eq!(here().act().unwrap(), Exit::Done);
        let (file, key) = (here().folder.join("beamshare.toml"), here().folder.join(KEY));
        beamshare::settings::load(&file).unwrap();
        let first_key = std::fs::read_to_string(&key).unwrap();

        std::fs::write(&file, "mine").unwrap();
        std::fs::remove_file(here().folder.join("message.txt")).unwrap();
        let failure = here().act().unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.message.contains("beamshare.toml") && !failure.message.contains("message.txt"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert!(!here().folder.join("message.txt").exists(), "all or nothing");

        assert_eq!(Init { force: true, ..here() }.act().unwrap(), Exit::Done);
        beamshare::settings::load(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&key).unwrap(), first_key, "a key is never overwritten");
    }

    #[test]
    fn the_choice_of_trust_is_written() {
        let choice = TrustChoice::default;
        let domains = vec!["aps.anl.gov".to_owned(), "upf.edu".to_owned()];
        for (trust, level, email_domains) in [
            (TrustChoice { email_domain: domains.clone(), ..choice() }, Trust::Domains, domains),
            (TrustChoice { schedule: Some(ScheduleKind::Aps), ..choice() }, Trust::Schedule, vec![]),
            (TrustChoice { schedule: Some(ScheduleKind::File), ..choice() }, Trust::Schedule, vec![]),
            (TrustChoice { tag_key: true, ..choice() }, Trust::Signed, vec![]),
            (TrustChoice { network: true, ..choice() }, Trust::Network, vec![]),
        ] {
            let (folder, config) = written(trust.clone());
            assert_eq!((config.trust(), config.rules.trust), (level, Some(level)));
            assert_eq!(config.rules.email_domains, email_domains);
            assert_eq!(config.schedule.is_some(), trust.schedule.is_some());
            assert_eq!(folder.path().join(KEY).exists(), trust.tag_key);
            if let Some(file) = &config.rules.tag_key_file {
                config::read_tag_keys(file).unwrap();
            }
        }
    }

    #[test]
    fn the_terminal_is_asked_until_it_answers() {
        let answers = |text: &str| ask(&mut text.as_bytes(), &mut std::io::sink()).unwrap();
        let chosen = |text: &str| answers(text).expect("a choice").level();
        assert_eq!(chosen("1\nfile\n"), Trust::Schedule);
        assert_eq!(chosen("5\none\n1\nfiles\nAPS\n"), Trust::Schedule);
        assert_eq!(
            answers("2\n@example.org\nexample.org, example.edu\n").unwrap().email_domain,
            ["example.org", "example.edu"]
        );
        assert_eq!(chosen("3\n"), Trust::Signed);
        assert_eq!(chosen("4\n"), Trust::Network);
        for text in ["", "\n", "1\n", "2\n\n", "9\n"] {
            assert!(answers(text).is_none(), "{text:?}");
        }
    }
}
