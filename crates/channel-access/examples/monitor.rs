//! Prints each event of a PV until it is interrupted: `cargo run --example monitor -- NAME`.
use channel_access::{CaError, Context, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CaError> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let channel = Context::new()?.channel(&name)?;
    loop {
        match channel.next().await {
            Event::Connected(connection) => println!("{name} connected to {}", connection.host),
            Event::Disconnected => println!("{name} disconnected"),
            Event::Sample(sample) => {
                println!("{name} {} {} {}", sample.value, sample.severity, sample.status)
            }
            other => println!("{name} {other:?}"),
        }
    }
}
