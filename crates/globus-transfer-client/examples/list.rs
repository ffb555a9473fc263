//! Lists a directory of any size: `cargo run --example list COLLECTION PATH`.

mod common;

use std::error::Error;

use futures::TryStreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [collection, path] = common::arguments("list COLLECTION PATH")?;
    let client = common::client()?;
    let mut entries = client.transfer().ls(collection.parse()?, path).stream();
    let (mut count, mut bytes) = (0_u64, 0_u64);
    while let Some(entry) = entries.try_next().await? {
        println!("{:>14} {}{}", entry.size, entry.name, if entry.is_dir() { "/" } else { "" });
        count += 1;
        bytes += entry.size;
    }
    println!("{count} entries, {bytes} bytes");
    Ok(())
}
