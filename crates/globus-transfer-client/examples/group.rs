//! Shares a directory with a new group: `cargo run --example group COLLECTION /2026-03/Li/ li@example.org`.

mod common;

use std::error::Error;

use globus_transfer_client::groups::MemberRole;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [collection, directory, username] = common::arguments("group COLLECTION /directory/ USERNAME")?;
    let collection = collection.parse()?;
    let client = common::client()?;
    let found = client.auth().identities().by_usernames(&[&username]).send().await?;
    let person = found.find(&username).ok_or("Globus knows no such username")?;
    let group = client.groups().create(&format!("Users of {directory}"), "Created by an example").await?;
    let changes = client.groups().members(group.id).add(person.id, MemberRole::Member).send().await?;
    for refusal in &changes.refused {
        println!("{}: {}", refusal.action, refusal.detail);
    }
    // One rule for the whole group: who joins or leaves later needs no rule of their own.
    let rules = client.transfer().access_rules(collection);
    let rule = rules.create_for_group(group.id, directory.as_str()).send().await?;
    println!("the group {} may read {directory} by the rule {rule}", group.id);
    Ok(())
}
