//! Creates a guest collection on a directory of a mapped collection:
//! `cargo run --example guest_collection MAPPED-COLLECTION /data/2bm/ "2-BM data"`.
//!
//! A local account on the mapped collection is enough; no other role is needed.

mod common;

use std::error::Error;

use futures::TryStreamExt;
use globus_transfer_client::ErrorKind;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [mapped, directory, name] = common::arguments("guest_collection MAPPED-COLLECTION /directory/ NAME")?;
    let mapped = mapped.parse()?;
    let client = common::client()?;
    let server = client.connect_server_of(mapped).await?;
    println!("on Globus Connect Server {}", server.info().await?.manager_version.unwrap_or_default());
    let guest = match server.create_guest(mapped, &directory, &name).send().await {
        // A person consents once, with a further sign-in; a registered service gets the consents by itself.
        Err(error) if matches!(error.kind(), ErrorKind::ConsentRequired { .. }) => {
            let ErrorKind::ConsentRequired { required_scopes } = error.kind() else {
                return Err(error.into());
            };
            return Err(format!("sign in again with the scope {}", required_scopes.join(" ")).into());
        }
        other => other?,
    };
    println!("created {} ({})", guest.display_name.unwrap_or_default(), guest.id);
    let mut mine = server.collections().guests_of(mapped).created_by_me().stream();
    while let Some(one) = mine.try_next().await? {
        println!("{} {}", one.id, one.display_name.unwrap_or_default());
    }
    Ok(())
}
