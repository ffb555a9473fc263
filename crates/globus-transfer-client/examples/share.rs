//! Shares a directory of a guest collection: `cargo run --example share COLLECTION /2026-03/Li/
//! li@example.org`.

mod common;

use std::error::Error;

use globus_transfer_client::path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [collection, directory, username] = common::arguments("share COLLECTION /directory/ USERNAME")?;
    let collection = collection.parse()?;
    let client = common::client()?;
    client.transfer().create_dir_all(collection, directory.as_str()).send().await?;
    // A person who has never signed in to Globus gets an identity now, and the access with their first
    // sign-in.
    let found = client.auth().identities().by_usernames(&[&username]).provision(true).send().await?;
    let person = found.find(&username).ok_or("Globus knows no such username")?;
    let rules = client.transfer().access_rules(collection);
    let (rule, creation) = rules.create(person.id, directory.as_str()).ensure().await?;
    println!("rule {rule}: {creation:?}");
    let link = path::file_manager_link(&"https://app.globus.org".parse()?, collection, &directory)?;
    println!("{link}");
    Ok(())
}
