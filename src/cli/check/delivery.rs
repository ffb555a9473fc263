use super::{Finding, State};
use beamshare::config::{Config, Email, Globus, MailTransport, SignIn};
use beamshare::domain::StepError;
use beamshare::globus::{recorded_client, step_error};
use beamshare::mail::{Mailer, Templates};
use beamshare::places;
use futures::future;
use globus_transfer_client::transfer::Collection;
use globus_transfer_client::{ACCESS_RULE_LIMIT, ErrorKind, GlobusClient, Transcript};
use std::path::Path;

/// Rules from which on an operator should make room.
const RULES_MANY: usize = ACCESS_RULE_LIMIT * 9 / 10;

/// Where deliveries go: directory places, collection, mail server.
pub async fn check(config: &Config, transcript: Option<&Transcript>) -> Vec<Finding> {
    let (places, globus, email) = tokio::join!(places(config), globus(config, transcript), email(config));
    places.into_iter().chain(globus).chain(email).collect()
}

async fn places(config: &Config) -> Vec<Finding> {
    const SECTION: &str = "directories";
    let places = match places::from_config(&config.directories) {
        Ok(places) => places,
        Err(error) => return vec![Finding::of_step(SECTION, "places", Err(error))],
    };
    let probes =
        places.iter().map(|place| async { Finding::of_step(SECTION, place.name(), place.probe().await) });
    let mut findings = future::join_all(probes).await;
    let modes = config.directories.on.iter().filter_map(|place| place.mode).chain([config.directories.mode]);
    if let Some(mode) = modes.into_iter().find(|mode| mode & 0o002 != 0) {
        let says = "lets every account of the machine change and delete the data; 0770 with a group doesn't";
        findings.push(Finding::new(SECTION, format!("mode {mode:04o}"), State::Warning, says));
    }
    findings
}

/// What a file needs that only moves data: the account, and where messages to staff go.
pub async fn check_account(config: &Config, transcript: Option<&Transcript>) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(settings) = &config.globus {
        findings.push(Finding::of_step("globus", "sign-in", submits(settings, transcript).await));
        if let SignIn::TokenStore { file, .. } = &settings.sign_in {
            findings.push(token_store(file));
        }
    }
    findings.push(match &config.sender {
        Some(sender) => Finding::of_step("email", "transport", transport(&sender.transport).await),
        None => Finding::ok("email", "messages", "not configured: nobody is mailed"),
    });
    findings
}

/// Whether the account can submit transfers. None is submitted.
async fn submits(settings: &Globus, transcript: Option<&Transcript>) -> Result<String, StepError> {
    let client = recorded_client(settings, transcript)?;
    client.transfer().submission_id().await.map_err(|error| step_error(&error, settings))?;
    Ok(format!("{} takes transfers of this account", settings.transfer_url))
}

async fn globus(config: &Config, transcript: Option<&Transcript>) -> Vec<Finding> {
    const SECTION: &str = "globus";
    let Some(settings) = &config.globus else {
        return vec![Finding::ok(SECTION, "sharing", "not configured: nothing is shared")];
    };
    let client = match recorded_client(settings, transcript) {
        Ok(client) => client,
        Err(error) => return vec![Finding::of_step(SECTION, "sign-in", Err(error))],
    };
    let (auth, collection) = tokio::join!(auth(&client, settings), collection(&client, settings));
    let mut findings = vec![Finding::of_step(SECTION, "sign-in", auth)];
    if let SignIn::TokenStore { file, .. } = &settings.sign_in {
        findings.push(token_store(file));
    }
    findings.extend(collection);
    findings.extend(copies(config, &client, settings).await);
    findings
}

/// Whether the sign-in can be renewed, which replaces the file.
fn token_store(file: &Path) -> Finding {
    const WHAT: &str = "token store";
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::ok("globus", WHAT, format!("{} can be renewed", file.display())),
        Err(error) => {
            let says = format!(
                "the sign-in in {} can't be renewed: no file can be made in its folder ({error}). Move it \
                 beside the journal: take `file` out of [globus.sign_in.token_store], and run beamshare \
                 login",
                file.display()
            );
            Finding::failed("globus", WHAT, says)
        }
    }
}

/// Copies are shared as the first collection is.
async fn copies(config: &Config, client: &GlobusClient, settings: &Globus) -> Vec<Finding> {
    let mut findings = vec![];
    for pair in config.sync.iter().filter(|pair| pair.share) {
        let destination = &pair.destination;
        let top = destination.path.top().to_owned();
        let settings = Globus { collection: destination.collection, top, ..settings.clone() };
        findings.extend(collection(client, &settings).await.into_iter().map(|finding| Finding {
            section: "sync",
            what: format!("{}: {}", pair.name, finding.what),
            ..finding
        }));
    }
    findings
}

/// Whether identities can be looked up: it takes a token of Globus Auth. The address is nobody's, and none is
/// made.
async fn auth(client: &GlobusClient, settings: &Globus) -> Result<String, StepError> {
    let found = client.auth().identities().by_usernames(&["nobody@example.org"]).send().await;
    found.map_err(|error| step_error(&error, settings))?;
    Ok(format!("{} lets identities be looked up", client.auth_url()))
}

async fn collection(client: &GlobusClient, settings: &Globus) -> Vec<Finding> {
    const SECTION: &str = "globus";
    let id = settings.collection;
    let (found, rules, top) = tokio::join!(
        client.transfer().collection(id).get(),
        client.transfer().access_rules(id).list(),
        client.transfer().ls(id, settings.top.clone()).limit(1).send(),
    );
    // Globus shows a collection's rules to its access managers and administrators alone, who may also make
    // them.
    let rules = match rules {
        Ok(rules) => {
            let used = rules.used();
            let says = format!("rules can be made; {used} of {ACCESS_RULE_LIMIT} are used");
            if used >= RULES_MANY {
                let says = format!("{says}: delete old ones, or set retention");
                Finding::new(SECTION, "access rules", State::Warning, says)
            } else {
                Finding::ok(SECTION, "access rules", says)
            }
        }
        Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
            let says = format!(
                "this sign-in may not make access rules on collection {id}: give it the role access manager \
                 there (app.globus.org, the collection's Roles). {error}"
            );
            Finding::failed(SECTION, "access rules", says)
        }
        Err(error) => Finding::of_step(SECTION, "access rules", Err(step_error(&error, settings))),
    };
    let top = top.map(|_| format!("{} is there", settings.top)).map_err(|error| step_error(&error, settings));
    vec![described(found, settings), rules, Finding::of_step(SECTION, "top directory", top)]
}

/// Whether it is a collection that can be shared, and its storage is there.
fn described(found: globus_transfer_client::Result<Collection>, settings: &Globus) -> Finding {
    let (section, what) = ("globus", "collection");
    let collection = match found {
        Ok(collection) => collection,
        Err(error) => return Finding::of_step(section, what, Err(step_error(&error, settings))),
    };
    let name = collection.display_name.as_deref().unwrap_or("without a name");
    if !collection.is_guest() {
        let says =
            format!("{name:?} is no guest collection, and only those have access rules: make one on it");
        Finding::failed(section, what, says)
    } else if collection.gcp_connected == Some(false) || collection.gcp_paused == Some(true) {
        let says = format!("{name:?} is not connected: start Globus Connect Personal on its machine");
        Finding::new(section, what, State::Away, says)
    } else {
        Finding::ok(section, what, format!("{name:?} {}", collection.id))
    }
}

async fn email(config: &Config) -> Vec<Finding> {
    const SECTION: &str = "email";
    let Some(settings) = &config.email else {
        return vec![Finding::ok(SECTION, "messages", "not configured: nobody is mailed")];
    };
    let notifies = config.globus.as_ref().is_none_or(|globus| globus.notify_email);
    vec![
        templates(settings, notifies),
        Finding::of_step(SECTION, "transport", transport(&settings.transport).await),
    ]
}

/// `needs_no_link`: the data isn't shared on Globus, or Globus mails the link itself.
fn templates(settings: &Email, needs_no_link: bool) -> Finding {
    match Templates::load(settings) {
        Ok(templates) if !needs_no_link && !templates.without_link().is_empty() => {
            let says = format!(
                "{} does not name data_link, so it is mailed without a link to the data. Add {{{{ data_link \
                 }}}}, or set notify_email = true under [globus]",
                templates.without_link().join(", ")
            );
            Finding::warning("email", "templates", says)
        }
        Ok(_) => Finding::ok("email", "templates", "a message can be made of them"),
        Err(error) => Finding::failed("email", "templates", error),
    }
}

async fn transport(transport: &MailTransport) -> Result<String, StepError> {
    let mailer = Mailer::new(transport)?;
    Ok(mailer.probe().await?)
}
