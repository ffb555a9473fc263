use super::Finding;
use beamshare::config::{Config, MailTransport, SignIn};

/// Names the values that are still those of the shipped beamshare.toml. None of them can work anywhere.
pub fn check(config: &Config) -> Option<Finding> {
    let mut keys = vec![];
    if let Some(globus) = &config.globus {
        if globus.collection.is_nil() {
            keys.push("[globus] collection");
        }
        if let SignIn::Service { client_id, .. } | SignIn::TokenStore { client_id, .. } = &globus.sign_in
            && client_id.is_nil()
        {
            keys.push("[globus.sign_in] client_id");
        }
    }
    if let Some(email) = &config.email {
        if email.from.email.domain() == "example.org" {
            keys.push("[email] from");
        }
        if email.contacts.iter().any(|contact| contact.email.domain() == "example.org") {
            keys.push("[email] contacts");
        }
        if matches!(&email.transport, MailTransport::Smtp(smtp) if smtp.host == "mail.example.org") {
            keys.push("[email.transport.smtp] host");
        }
    }
    let says = || format!("replace the example's values of {}", keys.join(", "));
    (!keys.is_empty()).then(|| Finding::warning("settings", "examples", says()))
}
