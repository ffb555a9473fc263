use super::{Finding, State, sync};
use beamshare::config::{Config, Email, Globus, MailTransport, Purpose, SignIn};
use beamshare::domain::StepError;
use beamshare::globus::{recorded_client, step_error};
use beamshare::mail::{Mailer, Templates};
use beamshare::places;
use futures::future;
use globus_transfer_client::transfer::Collection;
use globus_transfer_client::{ACCESS_RULE_LIMIT, ErrorKind, GlobusClient, Transcript};
use std::path::Path;
use uuid::Uuid;

/// Rules from which on an operator should make room.
const RULES_MANY: usize = ACCESS_RULE_LIMIT * 9 / 10;

/// Where deliveries go beside Globus: directory places and the mail server.
pub async fn check(config: &Config) -> Vec<Finding> {
    let (places, email) = tokio::join!(places(config), email(config));
    places.into_iter().chain(email).collect()
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

/// Where messages to staff go, of a file that only moves data.
pub async fn check_sender(config: &Config) -> Vec<Finding> {
    vec![match &config.sender {
        Some(sender) => Finding::of_step("email", "transport", transport(&sender.transport).await),
        None => Finding::ok("email", "messages", "not configured: nobody is mailed"),
    }]
}

/// Globus: the sign-in first, then everything that depends on it, which a failed sign-in leaves out.
pub async fn check_globus(config: &Config, transcript: Option<&Transcript>) -> Vec<Finding> {
    const SECTION: &str = "globus";
    let shares = config.purpose != Purpose::DataOnly;
    let Some(settings) = &config.globus else {
        return if shares {
            vec![Finding::ok(SECTION, "sharing", "not configured: nothing is shared")]
        } else {
            vec![]
        };
    };
    let (client, sign_in) = match recorded_client(settings, transcript) {
        Ok(client) => {
            let signed_in = if shares { auth(&client).await } else { submits(&client, settings).await };
            let fails_all = signed_in.as_ref().is_err_and(|error| fails_all(error, &settings.sign_in));
            let finding =
                Finding::of_step(SECTION, "sign-in", signed_in.map_err(|error| step_error(&error, settings)));
            (if fails_all { None } else { Some(client) }, finding)
        }
        Err(error) => (None, Finding::of_step(SECTION, "sign-in", Err(error))),
    };
    let mut findings = vec![sign_in];
    if let SignIn::TokenStore { file, .. } = &settings.sign_in {
        findings.push(token_store(file));
    }
    match &client {
        Some(client) => {
            if shares {
                let (collection, copies) = tokio::join!(
                    collection(client, settings, "[globus] collection"),
                    copies(config, client, settings)
                );
                findings.extend(collection.into_iter().chain(copies));
            }
            findings.extend(sync::check(config, client, settings).await);
        }
        None => {
            let what = match (shares, config.sync.is_empty()) {
                (true, true) => "collection",
                (true, false) => "collection, [[sync]]",
                (false, _) => "[[sync]]",
            };
            findings.push(Finding::warning(SECTION, what, "not tried: needs the sign-in"));
        }
    }
    findings.extend(sync::check_local(config));
    findings
}

/// Whether the error of the sign-in is that of each further request, too. A token in a file can be one that
/// only Globus Transfer accepts.
fn fails_all(error: &globus_transfer_client::Error, sign_in: &SignIn) -> bool {
    let is_sign_in = matches!(
        error.kind(),
        ErrorKind::NotSignedIn | ErrorKind::AuthenticationFailed | ErrorKind::SessionRequired
    );
    is_sign_in && !matches!(sign_in, SignIn::AccessTokenFile { .. })
}

/// Whether the account can submit transfers. None is submitted.
async fn submits(client: &GlobusClient, settings: &Globus) -> globus_transfer_client::Result<String> {
    client.transfer().submission_id().await?;
    Ok(format!("{} takes transfers of this account", settings.transfer_url))
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
        let of_pair = collection(client, &settings, "destination.collection of this pair").await;
        findings.extend(of_pair.into_iter().map(|finding| Finding {
            section: "sync",
            what: format!("{}: {}", pair.name, finding.what),
            ..finding
        }));
    }
    findings
}

/// Whether identities can be looked up: it takes a token of Globus Auth. The address is nobody's, and none is
/// made.
async fn auth(client: &GlobusClient) -> globus_transfer_client::Result<String> {
    client.auth().identities().by_usernames(&["nobody@example.org"]).send().await?;
    Ok(format!("{} lets identities be looked up", client.auth_url()))
}

/// The collection of these settings; `key` names it in the remedy where there is none.
async fn collection(client: &GlobusClient, settings: &Globus, key: &str) -> Vec<Finding> {
    const SECTION: &str = "globus";
    let id = settings.collection;
    let (found, rules, top) = tokio::join!(
        client.transfer().collection(id).get(),
        client.transfer().access_rules(id).list(),
        client.transfer().ls(id, settings.top.clone()).limit(1).send(),
    );
    if let Err(error) = &found
        && *error.kind() == ErrorKind::NotFound
    {
        return vec![Finding::failed(SECTION, "collection", no_collection(id, key))];
    }
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

/// What is wrong where Globus does not know a collection's id, which the key has.
pub fn no_collection(id: Uuid, key: &str) -> String {
    format!("Globus has no such collection {id}; correct {key}")
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
