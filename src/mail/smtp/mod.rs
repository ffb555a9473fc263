//! Messages to a mail server.

mod failure;
mod stream;

use super::ComposedMessage;
use super::error::{MailError, MailErrorKind};
use crate::config::{self, Smtp, SmtpSecurity};
use crate::domain::EmailAddress;
use failure::{SmtpStage, reply};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::{BoundedStream, ReceiveBudget, TlsStream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long an idle connection is kept for the next message: those of one delivery follow each other at once.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Limit for a kept connection's answer to NOOP, and for the server's answer to QUIT.
const SHORT_TIMEOUT: Duration = Duration::from_secs(2);

/// A mail server. lettre's transport does not report which command the server refused, so a wrong address, a
/// refused message and a refused login look the same. Its connection is therefore used command by command.
pub(super) struct SmtpServer {
    settings: Smtp,
    tls: Option<TlsParameters>,
    login: Option<SmtpLogin>,
    idle: Arc<Mutex<Option<(SmtpConnection, Instant)>>>,
}

struct SmtpLogin {
    user: String,
    password_file: PathBuf,
}

/// lettre's connection, and the amount of data that the server may still send.
struct SmtpConnection {
    smtp: AsyncSmtpConnection,
    allowance: ReceiveBudget,
}

type Refusal = (SmtpStage, lettre::transport::smtp::Error);

impl SmtpServer {
    pub(super) fn new(settings: &Smtp) -> Result<Self, MailError> {
        let setup = |message: String| MailError::new(MailErrorKind::Setup, message);
        let login = match (&settings.user, &settings.password_file) {
            (Some(user), Some(file)) => Some(SmtpLogin { user: user.clone(), password_file: file.clone() }),
            (None, _) => None,
            (Some(_), None) => {
                return Err(setup(
                    "email.transport.smtp has a user and no password_file: give both or none".to_owned(),
                ));
            }
        };
        let tls = match settings.security {
            SmtpSecurity::None => None,
            _ => {
                let mut builder = TlsParameters::builder(settings.host.clone());
                if let Some(file) = &settings.ca_file {
                    let pem = std::fs::read(file)
                        .map_err(|error| setup(format!("can't read ca_file {}: {error}", file.display())))?;
                    let none =
                        || setup(format!("ca_file {} holds no certificate in PEM form", file.display()));
                    let certificate = Certificate::from_pem(&pem).map_err(|_| none())?;
                    CertificateDer::pem_slice_iter(&pem).next().ok_or_else(none)?.map_err(|_| none())?;
                    builder = builder.add_root_certificate(certificate);
                }
                Some(builder.build_rustls().map_err(|error| setup(format!("TLS can't be set up: {error}")))?)
            }
        };
        Ok(SmtpServer { settings: settings.clone(), tls, login, idle: Arc::default() })
    }

    pub(super) async fn send(
        &self,
        message: &ComposedMessage,
        to: &EmailAddress,
    ) -> Result<String, MailError> {
        let recipient: Address = to.as_str().parse().map_err(|error| {
            MailError::new(
                MailErrorKind::RefusedRecipient,
                format!("{to} can't be written to by SMTP: {error}"),
            )
        })?;
        let what = format!("the message to {to}");
        let begin = async {
            let mut connection = self.connection().await?;
            let begun = begin_message(&mut connection.smtp, message, recipient).await;
            Ok((connection, begun))
        };
        let (mut connection, begun) = self.in_time(&what, begin).await?;
        let outcome = match begun {
            Ok(()) => self.hand_over(&mut connection.smtp, message, to).await?,
            Err(refusal) => Err(refusal),
        };
        // After a refusal, the connection can be used for the next message.
        let sound = match &outcome {
            Ok(_) => true,
            Err((_, error)) if error.status().is_some() => {
                matches!(timeout(SHORT_TIMEOUT, connection.smtp.command(Rset)).await, Ok(Ok(_)))
            }
            Err(_) => false,
        };
        if sound {
            self.keep(connection).await;
        }
        outcome.map_err(|(stage, error)| self.explain(stage, &error, Some(to)))
    }

    /// Sends the message's text and waits for the server's answer. The outer error: no answer came in time.
    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &ComposedMessage,
        to: &EmailAddress,
    ) -> Result<Result<String, Refusal>, MailError> {
        // lettre ends the message with a line end of its own.
        let bytes = message.bytes.strip_suffix(b"\r\n").unwrap_or(&message.bytes);
        let limit = self.settings.accept_timeout;
        match timeout(limit, connection.message(bytes)).await {
            Ok(Ok(response)) => Ok(Ok(reply(&response))),
            Ok(Err(error)) => Ok(Err((SmtpStage::Acceptance, error))),
            Err(_) => Err(self.unclear(&format!("no answer within {limit:?}"), to.as_str())),
        }
    }

    pub(super) async fn probe(&self) -> Result<String, MailError> {
        self.in_time("the check", async {
            let mut connection = self.connect().await?.smtp;
            if !connection.test_connected().await {
                let message = format!("{}: the mail server broke off the conversation", self.shown());
                return Err(MailError::new(MailErrorKind::TryLater, message));
            }
            let private = match self.settings.security {
                SmtpSecurity::Starttls => "by STARTTLS",
                SmtpSecurity::Tls => "by TLS",
                SmtpSecurity::None => "in the clear",
            };
            let login = self
                .login
                .as_ref()
                .map_or("no login".to_owned(), |login| format!("logged in as {}", login.user));
            let _ = timeout(SHORT_TIMEOUT, connection.quit()).await;
            Ok(format!("{} takes mail {private}, {login}", self.shown()))
        })
        .await
    }

    fn port(&self) -> u16 {
        self.settings.port.unwrap_or(match self.settings.security {
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::Tls => 465,
            SmtpSecurity::None => 25,
        })
    }

    fn shown(&self) -> String {
        format!("{}:{}", self.settings.host, self.port())
    }

    async fn in_time<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, MailError>>,
    ) -> Result<T, MailError> {
        let limit = self.settings.timeout;
        timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!(
                "{}: the mail server did not finish {what} within {limit:?}. See whether it answers; a \
                 longer limit is email.transport.smtp.timeout",
                self.shown(),
            );
            Err(MailError::new(MailErrorKind::TryLater, message))
        })
    }

    /// An idle connection that still answers, or a new one.
    async fn connection(&self) -> Result<SmtpConnection, MailError> {
        let idle = self.idle.lock().await.take();
        if let Some((mut connection, since)) = idle
            && since.elapsed() < IDLE_MAX
        {
            connection.allowance.renew();
            let limit = SHORT_TIMEOUT.min(self.settings.timeout / 3);
            if timeout(limit, connection.smtp.test_connected()).await == Ok(true) {
                return Ok(connection);
            }
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<SmtpConnection, MailError> {
        let hello = ClientId::default();
        let allowance = ReceiveBudget::new();
        let stream = BoundedStream::new(self.connect_tcp().await?, allowance.clone());
        let unreachable = |error| self.explain(SmtpStage::Connect, &error, None);
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Some(tls) if self.settings.security == SmtpSecurity::Tls => {
                Box::new(TlsStream::connect(stream, tls.clone()).await.map_err(unreachable)?)
            }
            _ => Box::new(stream),
        };
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(unreachable)?;
        if self.settings.security == SmtpSecurity::Starttls
            && let Some(tls) = &self.tls
        {
            if !connection.can_starttls() {
                let message = format!(
                    "{}: the mail server offers no STARTTLS, and nothing is sent in the clear. Try security \
                     = \"tls\" (port 465), or \"none\" if the network is trusted",
                    self.shown()
                );
                return Err(MailError::new(MailErrorKind::Tls, message));
            }
            connection
                .starttls(tls.clone(), &hello)
                .await
                .map_err(|error| self.explain(SmtpStage::Tls, &error, None))?;
        }
        if let Some(login) = &self.login {
            self.log_in(&mut connection, login).await?;
        }
        Ok(SmtpConnection { smtp: connection, allowance })
    }

    /// Connects to the first of the host's addresses that answers within its share of the time.
    async fn connect_tcp(&self) -> Result<TcpStream, MailError> {
        let server = (self.settings.host.as_str(), self.port());
        let unreachable = |error: &dyn std::fmt::Display| self.unreachable(&error.to_string());
        let addresses = tokio::net::lookup_host(server).await.map_err(|error| unreachable(&error))?;
        let mut failure = unreachable(&"the name has no address");
        for address in addresses {
            match timeout(self.settings.timeout / 2, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = unreachable(&error),
                Err(_) => failure = unreachable(&format!("{} does not answer", address.ip())),
            }
        }
        Err(failure)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection, login: &SmtpLogin) -> Result<(), MailError> {
        let password = config::read_secret(&login.password_file)
            .map_err(|error| MailError::new(MailErrorKind::Setup, format!("{}: {error}", self.shown())))?;
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let message = format!(
                "{}: the mail server offers no login that beamshare knows (PLAIN, LOGIN). Remove user and \
                 password_file, or use another port or security",
                self.shown()
            );
            return Err(MailError::new(MailErrorKind::LoginRefused, message));
        }
        let credentials = Credentials::new(login.user.clone(), password.expose_secret().to_owned());
        connection
            .auth(DEFAULT_MECHANISMS, &credentials)
            .await
            .map_err(|error| self.explain(SmtpStage::Login, &error, None))?;
        Ok(())
    }

    async fn keep(&self, connection: SmtpConnection) {
        *self.idle.lock().await = Some((connection, Instant::now()));
        let idle = Arc::downgrade(&self.idle);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE_MAX).await;
            let Some(idle) = idle.upgrade() else { return };
            let unused = idle.lock().await.take_if(|(_, since)| since.elapsed() >= IDLE_MAX);
            if let Some((mut connection, _)) = unused {
                let _ = timeout(SHORT_TIMEOUT, connection.smtp.quit()).await;
            }
        });
    }
}

/// Names sender and recipient, until the server asks for the message's text.
async fn begin_message(
    connection: &mut AsyncSmtpConnection,
    message: &ComposedMessage,
    to: Address,
) -> Result<(), Refusal> {
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
    connection.command(mail).await.map_err(|error| (SmtpStage::Sender, error))?;
    connection.command(Rcpt::new(to, vec![])).await.map_err(|error| (SmtpStage::Recipient, error))?;
    connection.command(Data).await.map_err(|error| (SmtpStage::Message, error))?;
    Ok(())
}
