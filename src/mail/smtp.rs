use super::ComposedMessage;
use super::error::{MailError, MailErrorKind};
use crate::config::{self, MailTransport, SmtpSecurity};
use crate::domain::EmailAddress;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long a connection is kept for the next message: those of one delivery follow each other at once.
const KEPT: Duration = Duration::from_secs(5);

/// How long a kept connection may take to say that it is alive, and a server to say good-bye.
const POLITENESS: Duration = Duration::from_secs(2);

/// A mail server. lettre's own transport does not tell at which command a server refused, and so neither a wrong address
/// from a refused message nor from a refused login; hence its connection is used, command by command.
pub(super) struct SmtpServer {
    host: String,
    port: u16,
    security: SmtpSecurity,
    tls: Option<TlsParameters>,
    login: Option<Login>,
    limit: Duration,
    kept: Arc<Mutex<Option<(AsyncSmtpConnection, Instant)>>>,
}

struct Login {
    user: String,
    password_file: PathBuf,
}

/// What the conversation had come to when it failed.
#[derive(Clone, Copy)]
enum Stage {
    Connect,
    Tls,
    Login,
    Sender,
    Recipient,
    Message,
}

impl SmtpServer {
    pub(super) fn new(transport: &MailTransport) -> Result<Self, MailError> {
        let MailTransport::Smtp { host, port, security, ca_file, user, password_file, timeout } = transport else {
            return Err(MailError::new(MailErrorKind::Setup, "this is no SMTP server".to_owned()));
        };
        let setup = |message: String| MailError::new(MailErrorKind::Setup, message);
        let login = match (user, password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password_file: file.clone() }),
            (None, _) => None,
            (Some(_), None) => {
                return Err(setup(
                    "email.transport.smtp has a user and no password_file: give both or none".to_owned(),
                ));
            }
        };
        let tls = match security {
            SmtpSecurity::None => None,
            _ => {
                let mut builder = TlsParameters::builder(host.clone());
                if let Some(file) = ca_file {
                    let pem = std::fs::read(file)
                        .map_err(|error| setup(format!("can't read ca_file {}: {error}", file.display())))?;
                    let none = || setup(format!("ca_file {} holds no certificate in PEM form", file.display()));
                    let certificate = Certificate::from_pem(&pem).map_err(|_| none())?;
                    CertificateDer::pem_slice_iter(&pem).next().ok_or_else(none)?.map_err(|_| none())?;
                    builder = builder.add_root_certificate(certificate);
                }
                Some(builder.build_rustls().map_err(|error| setup(format!("TLS can't be set up: {error}")))?)
            }
        };
        let usual = match security {
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::Tls => 465,
            SmtpSecurity::None => 25,
        };
        Ok(SmtpServer {
            host: host.clone(),
            port: port.unwrap_or(usual),
            security: *security,
            tls,
            login,
            limit: *timeout,
            kept: Arc::default(),
        })
    }

    pub(super) async fn send(&self, message: &ComposedMessage, to: &EmailAddress) -> Result<String, MailError> {
        let receiver: Address = to.as_str().parse().map_err(|error| {
            MailError::new(MailErrorKind::RefusedRecipient, format!("{to} can't be written to by SMTP: {error}"))
        })?;
        self.in_time(&format!("the message to {to}"), async {
            let mut connection = self.connection().await?;
            let outcome = self.hand_over(&mut connection, message, receiver).await;
            // Refused within a sound conversation: the next message can go on it.
            let sound = match &outcome {
                Ok(_) => true,
                Err((_, error)) if error.status().is_some() => connection.command(Rset).await.is_ok(),
                Err(_) => false,
            };
            if sound {
                self.keep(connection).await;
            }
            match outcome {
                Ok(response) => Ok(words(&response)),
                Err((stage, error)) => Err(self.explain(stage, &error, Some(to))),
            }
        })
        .await
    }

    pub(super) async fn probe(&self) -> Result<String, MailError> {
        self.in_time("the check", async {
            let mut connection = self.connect().await?;
            if !connection.test_connected().await {
                let message = format!("{}: the mail server broke off the conversation", self.shown());
                return Err(MailError::new(MailErrorKind::TryLater, message));
            }
            let private = match self.security {
                SmtpSecurity::Starttls => "by STARTTLS",
                SmtpSecurity::Tls => "by TLS",
                SmtpSecurity::None => "in the clear",
            };
            let login =
                self.login.as_ref().map_or("no login".to_owned(), |login| format!("logged in as {}", login.user));
            let _ = timeout(POLITENESS, connection.quit()).await;
            Ok(format!("{} takes mail {private}, {login}", self.shown()))
        })
        .await
    }

    fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn in_time<T>(&self, what: &str, work: impl Future<Output = Result<T, MailError>>) -> Result<T, MailError> {
        timeout(self.limit, work).await.unwrap_or_else(|_| {
            let message = format!(
                "{}: the mail server did not finish {what} within {:?}. See whether it answers; a longer limit is \
                 email.transport.smtp.timeout",
                self.shown(),
                self.limit
            );
            Err(MailError::new(MailErrorKind::TryLater, message))
        })
    }

    /// A kept connection that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, MailError> {
        let kept = self.kept.lock().await.take();
        if let Some((mut connection, since)) = kept
            && since.elapsed() < KEPT
            && timeout(POLITENESS.min(self.limit / 3), connection.test_connected()).await == Ok(true)
        {
            return Ok(connection);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let hello = ClientId::default();
        let wrapped = if self.security == SmtpSecurity::Tls { self.tls.clone() } else { None };
        let server = (self.host.as_str(), self.port);
        // lettre gives each of the host's addresses this long; the whole is limited by the caller.
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(self.limit / 2), &hello, wrapped, None);
        let mut connection = connecting.await.map_err(|error| self.explain(Stage::Connect, &error, None))?;
        if self.security == SmtpSecurity::Starttls
            && let Some(tls) = &self.tls
        {
            if !connection.can_starttls() {
                let message = format!(
                    "{}: the mail server offers no STARTTLS, and nothing is sent in the clear. Try security = \"tls\" (port \
                     465), or \"none\" if the network is trusted",
                    self.shown()
                );
                return Err(MailError::new(MailErrorKind::Tls, message));
            }
            connection.starttls(tls.clone(), &hello).await.map_err(|error| self.explain(Stage::Tls, &error, None))?;
        }
        if let Some(login) = &self.login {
            self.log_in(&mut connection, login).await?;
        }
        Ok(connection)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection, login: &Login) -> Result<(), MailError> {
        let password = config::read_secret(&login.password_file)
            .map_err(|error| MailError::new(MailErrorKind::Setup, format!("{}: {error}", self.shown())))?;
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let message = format!(
                "{}: the mail server offers no login that beamshare knows (PLAIN, LOGIN). Remove user and password_file, or use \
                 another port or security",
                self.shown()
            );
            return Err(MailError::new(MailErrorKind::LoginRefused, message));
        }
        let credentials = Credentials::new(login.user.clone(), password.expose_secret().to_owned());
        connection
            .auth(DEFAULT_MECHANISMS, &credentials)
            .await
            .map_err(|error| self.explain(Stage::Login, &error, None))?;
        Ok(())
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &ComposedMessage,
        to: Address,
    ) -> Result<Response, (Stage, lettre::transport::smtp::Error)> {
        let mut options = vec![];
        let info = connection.server_info();
        let non_ascii = |address: &Address| !AsRef::<str>::as_ref(address).is_ascii();
        if (non_ascii(&to) || non_ascii(&message.sender)) && info.supports_feature(Extension::SmtpUtfEight) {
            options.push(MailParameter::SmtpUtfEight);
        }
        if !message.bytes.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let mail = Mail::new(Some(message.sender.clone()), options);
        connection.command(mail).await.map_err(|error| (Stage::Sender, error))?;
        connection.command(Rcpt::new(to, vec![])).await.map_err(|error| (Stage::Recipient, error))?;
        connection.command(Data).await.map_err(|error| (Stage::Message, error))?;
        // lettre ends the message with a line end of its own.
        let bytes = message.bytes.strip_suffix(b"\r\n").unwrap_or(&message.bytes);
        connection.message(bytes).await.map_err(|error| (Stage::Message, error))
    }

    async fn keep(&self, connection: AsyncSmtpConnection) {
        *self.kept.lock().await = Some((connection, Instant::now()));
        let kept = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let Some(kept) = kept.upgrade() else { return };
            let idle = kept.lock().await.take_if(|(_, since)| since.elapsed() >= KEPT);
            if let Some((mut connection, _)) = idle {
                let _ = timeout(POLITENESS, connection.quit()).await;
            }
        });
    }

    /// The error as an operator reads it.
    fn explain(&self, stage: Stage, error: &lettre::transport::smtp::Error, to: Option<&EmailAddress>) -> MailError {
        let server = self.shown();
        if let Some(advice) = certificate_advice(error) {
            let message = format!("{server}: the mail server's TLS can't be trusted: {}. {advice}", cause(error));
            return MailError::new(MailErrorKind::Tls, message);
        }
        let said = match error.status() {
            Some(code) => format!("the mail server said: {code} {}", cause(error)),
            None => cause(error),
        };
        let to = to.map(ToString::to_string).unwrap_or_default();
        let (kind, message) = match (stage, error.is_permanent()) {
            (Stage::Recipient, true) => {
                (MailErrorKind::RefusedRecipient, format!("{server}: {to} is refused: {said}. Correct the address"))
            }
            (Stage::Sender, true) => (
                MailErrorKind::RefusedMessage,
                format!("{server}: the sender is refused: {said}. Correct email.from, or give a login"),
            ),
            (Stage::Message, true) => {
                (MailErrorKind::RefusedMessage, format!("{server}: the message to {to} is refused: {said}"))
            }
            (Stage::Login, true) => (
                MailErrorKind::LoginRefused,
                format!(
                    "{server}: the login is refused: {said}. Correct email.transport.smtp's user and password_file"
                ),
            ),
            (Stage::Tls, _) if error.status().is_none() => {
                (MailErrorKind::TryLater, format!("{server}: STARTTLS failed: {said}"))
            }
            (Stage::Connect, _) => (
                MailErrorKind::TryLater,
                format!("{server}: can't reach the mail server: {said}. Is it up, are host, port and security right?"),
            ),
            (Stage::Message, false) => {
                (MailErrorKind::TryLater, format!("{server}: the message to {to} was not taken for now: {said}"))
            }
            _ => (MailErrorKind::TryLater, format!("{server}: not now: {said}")),
        };
        MailError::new(kind, message)
    }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// The errors below an error, outermost first. An I/O error made of another one leaves that out of its sources.
fn causes(error: &lettre::transport::smtp::Error) -> impl Iterator<Item = Cause<'_>> {
    fn below(error: Cause<'_>) -> Option<Cause<'_>> {
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as Cause),
            None => error.source(),
        }
    }
    std::iter::successors(error.source(), |error| below(*error))
}

/// What to do about a certificate, where the error is about one.
fn certificate_advice(error: &lettre::transport::smtp::Error) -> Option<&'static str> {
    use rustls::CertificateError as Bad;
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(match tls {
        // A signature that does not fit: an authority of the same name with another key.
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "Put the certificate of the authority that signed it into a PEM file and set email.transport.smtp.ca_file"
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "It has expired: renew it on the server, and see that this machine's clock is right"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "Set email.transport.smtp.host to a name that is in the certificate"
        }
        rustls::Error::InvalidCertificate(_) => {
            "Ask who runs the mail server for a certificate that is in order. One that is signed by itself must not be marked \
             as an authority (openssl req -x509 -addext basicConstraints=critical,CA:FALSE)"
        }
        rustls::Error::InvalidMessage(_) => {
            "The server does not speak TLS there: security = \"starttls\" may be what it wants (port 587)"
        }
        _ => "Server and beamshare do not agree on TLS",
    })
}

/// The innermost words, on one line: they come from the server and go to the screen.
fn cause(error: &lettre::transport::smtp::Error) -> String {
    let text = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

fn words(response: &Response) -> String {
    let text = response.message().collect::<Vec<_>>().join(" ");
    format!("{} {}", response.code(), text).chars().filter(|c| !c.is_control()).take(300).collect()
}
