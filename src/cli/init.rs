use super::failure::{Exit, Failure};
use super::{Outcome, print};
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Write the commented settings, the message templates and a systemd unit, to be edited
///
/// Nothing that is there is overwritten, unless --force is given.
#[derive(Args)]
pub struct Init {
    /// Where to; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

const FILES: [(&str, &str); 7] = [
    ("beamshare.toml", include_str!("../../config/beamshare.toml")),
    ("message.txt", include_str!("../../config/message.txt")),
    ("message.html", include_str!("../../config/message.html")),
    ("message_copy.txt", include_str!("../../config/message_copy.txt")),
    ("reminder.txt", include_str!("../../config/reminder.txt")),
    ("reminder.html", include_str!("../../config/reminder.html")),
    ("beamshare.service", include_str!("../../config/beamshare.service")),
];

impl Init {
    pub fn act(self) -> Outcome {
        let files = FILES.map(|(name, content)| (self.folder.join(name), content));
        if !self.force {
            let there: Vec<String> =
                files.iter().filter(|(file, _)| file.exists()).map(|(file, _)| file.display().to_string()).collect();
            if !there.is_empty() {
                let there = there.join(", ");
                return Err(Failure::failed(format!(
                    "nothing written: {there} would be overwritten; name another folder, or add --force"
                )));
            }
        }
        let folder = self.folder.display();
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| Failure::failed(format!("can't make the folder {folder}: {error}")))?;
        for (file, content) in files {
            let mut options = OpenOptions::new();
            match self.force {
                true => options.write(true).create(true).truncate(true),
                // Also where another process has written it since the look above.
                false => options.write(true).create_new(true),
            };
            options
                .open(&file)
                .and_then(|mut open| open.write_all(content.as_bytes()))
                .map_err(|error| Failure::failed(format!("can't write {}: {error}", file.display())))?;
            print::line(format_args!("wrote {}", file.display()));
        }
        print::line(format_args!("\nNow edit beamshare.toml, then run: beamshare check"));
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use beamshare::config::Config;

    #[test]
    fn what_is_written_can_be_used_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let here = || Init { folder: folder.path().join("new/2bm"), force: false };
        assert_eq!(here().act().unwrap(), Exit::Done);
        let file = here().folder.join("beamshare.toml");
        Config::load(&file).unwrap();

        std::fs::write(&file, "mine").unwrap();
        std::fs::remove_file(here().folder.join("message.txt")).unwrap();
        let failure = here().act().unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.message.contains("beamshare.toml") && !failure.message.contains("message.txt"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert!(!here().folder.join("message.txt").exists(), "all or nothing");

        assert_eq!(Init { force: true, ..here() }.act().unwrap(), Exit::Done);
        Config::load(&file).unwrap();
    }
}
