//! Prints values of PVs: `cargo run --example get -- NAME…`.
use std::time::Duration;

use channel_access::{CaError, Context};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CaError> {
    let context = Context::new()?;
    for name in std::env::args().skip(1) {
        let sample = context.channel(&name)?.get(Duration::from_secs(5)).await?;
        println!("{name} {} {}", sample.value, sample.severity);
    }
    Ok(())
}
