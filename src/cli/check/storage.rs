use super::{Finding, State};
use beamshare::config::Config;
use beamshare::journal::{Journal, JournalError, SPACE_LOW};
use std::path::Path;

/// The journal, and the folder of the log.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![journal(&config.journal.path).await];
    if let Some(folder) = &config.log.folder {
        findings.push(of_folder("log", folder));
    }
    findings
}

async fn journal(path: &Path) -> Finding {
    let (section, what) = ("journal", path.display());
    match path.try_exists() {
        Err(error) => Finding::failed(section, what, format!("can't be looked at: {error}")),
        // It is not made here: it must belong to the account of the service.
        Ok(false) => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut finding = of_folder(section, folder);
            finding.what = what.to_string();
            if finding.state == State::Ok {
                finding.says = "will be made at the first start".to_owned();
            }
            finding
        }
        Ok(true) => match try_journal(path).await {
            Ok(finding) => finding,
            Err(error) => Finding::failed(section, what, error),
        },
    }
}

/// Reads and writes the journal: a full disk or a file of another account can be read well.
async fn try_journal(path: &Path) -> Result<Finding, JournalError> {
    let (section, what) = ("journal", path.display());
    let journal = Journal::open(path).await?;
    journal.check_writable().await?;
    let (deliveries, failed) = journal.counts().await?;
    let says = format!("can be written; {deliveries} deliveries, {failed} failed");
    let free = journal.free_space()?;
    Ok(if free < SPACE_LOW {
        let says = format!("{says}; only {} left on its disk", indicatif::HumanBytes(free));
        Finding::warning(section, what, says)
    } else {
        Finding::ok(section, what, says)
    })
}

/// A folder in which files are to be made, or the one above it in which it is to be made.
fn of_folder(section: &'static str, folder: &Path) -> Finding {
    let Some(existing) = folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.is_dir())
    else {
        return Finding::failed(section, folder.display(), "no folder above it exists");
    };
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    match tempfile::tempfile_in(existing) {
        Ok(_) => Finding::ok(section, folder.display(), "can be written"),
        Err(error) => {
            let says = format!(
                "no file can be made in {}: {error}; give this account the right to",
                existing.display()
            );
            Finding::failed(section, folder.display(), says)
        }
    }
}
