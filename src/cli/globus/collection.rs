use super::super::failure::{Exit, Failure};
use super::super::{Format, Outcome, print};
use super::{Account, id};
use beamshare::config::Config;
use clap::{Args, Subcommand};
use futures::TryStreamExt;
use globus_transfer_client::gcs::ManagedCollection;
use serde_json::{Value, json};
use uuid::Uuid;

/// Create, list and delete guest collections on a Globus Connect Server
///
/// Who has an account on a mapped collection needs no other role for it. The server asks for consents of its
/// own; when they are missing, the message names the command that gives them.
#[derive(Args)]
pub struct Collection {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Create a guest collection on a directory of a mapped collection
    CreateGuest {
        /// The mapped collection
        #[arg(value_parser = id)]
        mapped: Uuid,
        /// The directory, as a path on the mapped collection; it must exist
        path: String,
        /// The name that users will see
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// The organization that users will see
        #[arg(long)]
        organization: Option<String>,
        /// A word that a search finds; repeat for several
        #[arg(long, value_name = "WORD")]
        keyword: Vec<String>,
        /// Show it only to those who are given access
        #[arg(long)]
        private: bool,
        /// The local account to use, where you have several on the server
        #[arg(long, value_name = "ACCOUNT")]
        local_account: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// List the guest collections of a mapped collection that this account may see
    List {
        /// The mapped collection
        #[arg(value_parser = id)]
        mapped: Uuid,
        /// Only those that this account created
        #[arg(long)]
        mine: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Delete a guest collection with its access rules; the files stay
    Delete {
        /// The guest collection
        #[arg(value_parser = id)]
        collection: Uuid,
        /// Yes, delete it
        #[arg(long)]
        yes: bool,
    },
}

impl Collection {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        match self.verb {
            Verb::CreateGuest {
                mapped,
                path,
                name,
                description,
                organization,
                keyword,
                private,
                local_account,
                format,
            } => {
                let server = account.result(account.client.connect_server_of(mapped).await)?;
                let keywords: Vec<&str> = keyword.iter().map(String::as_str).collect();
                let mut new = server.create_guest(mapped, &path, &name).public(!private).keywords(&keywords);
                if let Some(text) = description {
                    new = new.description(text);
                }
                if let Some(text) = organization {
                    new = new.organization(text);
                }
                if let Some(account) = local_account {
                    new = new.local_account(account);
                }
                let created = account.result(new.send().await)?;
                if format.json {
                    print::json(&shown(&created))?;
                } else {
                    let id = created.id;
                    print::lines(format!(
                        "Created the guest collection {name}: {id}\n\
                         To use it, put this into [globus] of the settings:\n\n\
                         collection = \"{id}\"\ntop = \"/\"",
                        name = print::plain(&name)
                    ));
                }
                Ok(Exit::Done)
            }
            Verb::List { mapped, mine, format } => {
                let server = account.result(account.client.connect_server_of(mapped).await)?;
                let mut list = server.collections().guests_of(mapped);
                if mine {
                    // Who created a collection may see its directory.
                    list = list.created_by_me().private_policies();
                }
                let found: Vec<ManagedCollection> = account.result(list.stream().try_collect().await)?;
                if format.json {
                    print::json(&found.iter().map(shown).collect::<Vec<_>>())?;
                } else if !found.is_empty() {
                    let mut table = print::table(["NAME", "DIRECTORY", "ID"]);
                    for one in &found {
                        table.add_row([
                            text(one.display_name.as_deref()),
                            text(one.collection_base_path.as_deref()),
                            one.id.to_string(),
                        ]);
                    }
                    print::print_table(&table);
                }
                if found.is_empty() {
                    return Err(Failure::nothing(format!(
                        "no guest collection on {mapped} that this account can see"
                    )));
                }
                Ok(Exit::Done)
            }
            Verb::Delete { collection, yes } => {
                let server = account.result(account.client.connect_server_of(collection).await)?;
                let found = account.result(server.collection(collection).await)?;
                let name = text(found.display_name.as_deref());
                if found.collection_type != "guest" {
                    return Err(Failure::usage(format!(
                        "{name} is a mapped collection, not a guest collection"
                    )));
                }
                if !yes {
                    return Err(Failure::usage(format!(
                        "this would delete {name} with all its access rules; the files stay. To do it, add \
                         --yes"
                    )));
                }
                account.result(server.delete_collection(collection).await)?;
                print::line(format_args!("deleted {name}"));
                Ok(Exit::Done)
            }
        }
    }
}

fn text(value: Option<&str>) -> String {
    value.filter(|value| !value.is_empty()).map_or("-".to_owned(), print::plain)
}

fn shown(collection: &ManagedCollection) -> Value {
    json!({
        "id": collection.id,
        "display_name": collection.display_name,
        "description": collection.description,
        "organization": collection.organization,
        "identity_id": collection.identity_id,
        "mapped_collection_id": collection.mapped_collection_id,
        "collection_base_path": collection.collection_base_path,
        "public": collection.public,
    })
}
