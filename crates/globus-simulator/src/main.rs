//! The simulator as a program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use globus_simulator::{Seed, Simulator};

/// A local Globus for tests and demos, on real directories, with faults on request.
///
/// Prints its URL, one line, when it is ready: the value of GLOBUS_SDK_SERVICE_URL_AUTH, …_TRANSFER, …_GROUPS
/// and …_TIMER. It has no access control: anyone who can connect can inject faults and read its log.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9700")]
    listen: String,
    /// Directory that holds the collections' directories; made when missing.
    #[arg(long, required = true)]
    root: Option<PathBuf>,
    /// TOML file with accounts, apps, collections, tokens, limits.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Serve the manager APIs of Connect Servers over HTTPS, as the official tools require, and write the
    /// certificate authority to this file: the value of GLOBUS_SDK_VERIFY_SSL.
    #[arg(long, value_name = "FILE")]
    https_authority: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay the requests of a transcript of the real service, and list what differs between the responses
    ///
    /// Transcripts are written by `beamshare check --transcript FILE`, and by the option `transcript` of the
    /// crate globus-transfer-client. Nothing is sent to any service. Exit code 0: no difference; 1:
    /// differences; 2: the transcript can't be read.
    Compare {
        /// The transcript
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let arguments = Arguments::parse();
    if let Some(Command::Compare { file }) = arguments.command {
        return compare(&file).await;
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("globus-simulator: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(file: &Path) -> ExitCode {
    let compared = async {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let root =
            tempfile::tempdir().map_err(|error| format!("cannot make a temporary directory: {error}"))?;
        globus_simulator::compare(&text, root.path())
            .await
            .map_err(|error| format!("{}: {error}", file.display()))
    };
    match compared.await {
        Ok(comparison) => {
            let _ = writeln!(std::io::stdout(), "{comparison}");
            ExitCode::from(u8::from(!comparison.is_equal()))
        }
        Err(message) => {
            eprintln!("globus-simulator: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let seed = match &arguments.seed {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read the seed {}: {error}", file.display()))?;
            Seed::from_toml(&text).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => Seed::default(),
    };
    let mut builder = Simulator::builder().listen(arguments.listen).seed(seed);
    if let Some(root) = arguments.root {
        builder = builder.root(root);
    }
    if arguments.https_authority.is_some() {
        builder = builder.https();
    }
    let mut simulator = builder.start().await.map_err(|error| error.to_string())?;
    if let (Some(file), Some(authority)) = (&arguments.https_authority, simulator.authority()) {
        std::fs::write(file, authority)
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    let mut out = std::io::stdout();
    // The parent process may have closed the pipe; the simulator continues.
    let _ = writeln!(out, "{}", simulator.url()).and_then(|()| out.flush());
    tokio::select! {
        () = simulator.run() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
    Ok(())
}

/// The signal by which service managers end a program.
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
