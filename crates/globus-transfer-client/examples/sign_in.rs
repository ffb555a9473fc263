//! Signs a person in and keeps the sign-in in a file: `GLOBUS_NATIVE_CLIENT_ID=… cargo run --example
//! sign_in [--paste] [SCOPE…]`. The browser of this machine hands the code back; with `--paste` the code is
//! pasted. Further scopes are those that an error of another example names.

mod common;

use std::error::Error;

use globus_transfer_client::{Authorizer, NativeApp, Scope, TokenStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let id = std::env::var("GLOBUS_NATIVE_CLIENT_ID").map_err(|_| {
        "set GLOBUS_NATIVE_CLIENT_ID to the client id of a native app \
         (app.globus.org/settings/developers)"
    })?;
    let mut app = NativeApp::new(id.parse()?).label("globus-transfer-client example");
    let (options, scopes): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--paste");
    for scope in Scope::parse_all(&scopes.join(" "))? {
        app = app.scope(scope);
    }
    let anonymous = common::builder()?.build()?;
    let sign_in = if !options.is_empty() {
        let pending = anonymous.auth().sign_in(&app)?;
        println!("Open {}\nand paste the code:", pending.url());
        let mut code = String::new();
        std::io::stdin().read_line(&mut code)?;
        pending.finish(&code).await?
    } else {
        let pending = anonymous.auth().sign_in_on_loopback(&app).await?;
        println!("Open {}", pending.url());
        pending.finish().await?
    };
    let store = TokenStore::at(common::STORE);
    store.put("default", &sign_in).await?;

    let client = common::builder()?.authorizer(Authorizer::stored(store, "default")).build()?;
    let me = client.auth().userinfo().await?;
    println!("signed in as {}", me.preferred_username.unwrap_or_else(|| me.sub.to_string()));
    Ok(())
}
