//! Writes a text to a record of any kind, and reads it back: `cargo run --example put_text -- NAME TEXT`.
use std::time::Duration;

use channel_access::{CaError, Context, TextChannel};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CaError> {
    let mut arguments = std::env::args().skip(1);
    let (name, text) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let channel = TextChannel::new(&Context::new()?, &name)?;
    channel.put(&text, LIMIT).await?;
    let read = channel.get(LIMIT).await?;
    println!("{name} {:?} {}", read.text, read.severity);
    Ok(())
}
