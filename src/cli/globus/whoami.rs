use super::super::failure::Exit;
use super::super::history::local;
use super::super::{Format, Outcome, print};
use super::Account;
use beamshare::config::{Config, SignIn};
use beamshare::globus::SIGN_IN;
use clap::Args;
use globus_transfer_client::{ErrorKind, TokenStore, Tokens};
use serde_json::{Value, json};

/// Show the Globus account that beamshare uses, its linked identities, scopes and their expiry
#[derive(Args)]
pub struct Whoami {
    #[command(flatten)]
    format: Format,
}

impl Whoami {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        let (kind, person, tokens) = match &account.settings.sign_in {
            SignIn::Service { client_id, .. } => {
                let found =
                    account.result(account.client.auth().identities().by_ids(&[*client_id]).send().await)?;
                let username = match found.iter().next() {
                    Some(identity) => identity.username.clone(),
                    None => format!("{client_id}@clients.auth.globus.org"),
                };
                let name = found.iter().next().and_then(|identity| identity.name.clone());
                (
                    "service",
                    json!({ "id": client_id, "username": username, "name": name, "identities": [] }),
                    None,
                )
            }
            SignIn::AccessTokenFile { .. } => ("access_token_file", person(&account).await?, None),
            SignIn::TokenStore { file, .. } => {
                let person = person(&account).await?;
                // After the request, which may have renewed them.
                let sign_in = account.result(TokenStore::at(file).get(SIGN_IN).await)?;
                ("token_store", person, sign_in.map(|sign_in| sign_in.tokens().clone()))
            }
        };
        let mut document = json!({ "sign_in": kind, "auth_url": account.settings.auth_url });
        if let (Some(document), Value::Object(person)) = (document.as_object_mut(), person) {
            document.extend(person);
            document.insert("tokens".to_owned(), tokens.as_ref().map(described).into());
        }
        if self.format.json {
            print::json(&document)?
        } else {
            print_all(config, &document, tokens.as_ref())
        }
        Ok(Exit::Done)
    }
}

/// The signed-in person. A token that was given as it is may not allow asking who that is.
async fn person(account: &Account<'_>) -> Result<Value, super::Failure> {
    let info = match account.client.auth().userinfo().await {
        Err(error)
            if *error.kind() == ErrorKind::PermissionDenied
                && matches!(account.settings.sign_in, SignIn::AccessTokenFile { .. }) =>
        {
            return Ok(json!({ "id": null, "username": null, "name": null, "identities": [] }));
        }
        outcome => account.result(outcome)?,
    };
    let identities = info.identity_set.iter().map(|identity| {
        json!({ "id": identity.sub, "username": identity.username, "name": identity.name, "email": identity.email,
                "organization": identity.organization })
    });
    Ok(json!({
        "id": info.sub,
        "username": info.preferred_username,
        "name": info.name,
        "email": info.email,
        "organization": info.organization,
        "identities": identities.collect::<Vec<_>>(),
    }))
}

/// The public properties of tokens: everything but the tokens.
fn described(tokens: &Tokens) -> Vec<Value> {
    let described = tokens.iter().map(|(service, token)| {
        json!({ "service": service, "scopes": token.scopes(), "expires_at": token.expires_at(),
                "renews": token.is_refreshable() })
    });
    described.collect()
}

fn print_all(config: &Config, document: &Value, tokens: Option<&Tokens>) {
    let text = |value: &Value| value.as_str().map_or("-".to_owned(), print::plain);
    let kind = match document["sign_in"].as_str() {
        Some("service") => "a registered service; its tokens are fetched when they are needed",
        Some("access_token_file") => "an access token from a file, as it is",
        _ => "a person's sign-in",
    };
    let mut table = print::table(["ACCOUNT", ""]);
    for (what, key) in [
        ("username", "username"),
        ("id", "id"),
        ("name", "name"),
        ("e-mail", "email"),
        ("organization", "organization"),
    ] {
        if document[key].is_string() || key == "username" {
            table.add_row([what.to_owned(), text(&document[key])]);
        }
    }
    table.add_row(["sign-in".to_owned(), kind.to_owned()]);
    print::print_table(&table);
    let linked = document["identities"].as_array().filter(|linked| !linked.is_empty());
    if let Some(linked) = linked {
        let mut table = print::table(["LINKED IDENTITY", "NAME", "ID"]);
        for identity in linked {
            table.add_row([text(&identity["username"]), text(&identity["name"]), text(&identity["id"])]);
        }
        print::print_table(&table);
    }
    if let Some(tokens) = tokens {
        let zone = config.beamline.zone();
        let mut table = print::table(["FOR", "SCOPES", "LASTS UNTIL"]);
        for (service, token) in tokens.iter() {
            let ends = token.expires_at().map_or("-".to_owned(), |at| local(at, &zone));
            let ends = if token.is_refreshable() { format!("{ends}, then renewed") } else { ends };
            table.add_row([service.to_owned(), token.scopes().join(" "), ends]);
        }
        print::print_table(&table);
    }
}
