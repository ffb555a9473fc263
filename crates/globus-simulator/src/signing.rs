//! The signed id token of OpenID Connect, which the official tools verify against `/jwk.json`.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha512;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{Generate, PrivateKey};
use serde_json::{Value, json};

const KEY_ID: &str = "simulator";

/// The key that signs, made when it is first needed: most users of a simulator never ask for an id token.
#[derive(Default)]
pub(crate) struct Key(OnceLock<Option<PrivateKey>>);

impl Key {
    fn private(&self) -> Option<&PrivateKey> {
        self.0.get_or_init(|| PrivateKey::try_generate().ok()).as_ref()
    }

    /// The public half, as the document that `jwks_uri` names.
    pub fn jwks(&self) -> Option<Value> {
        let key = self.private()?;
        Some(json!({
            "keys": [{
                "alg": "RS512",
                "e": URL_SAFE_NO_PAD.encode(key.e_bytes()),
                "kid": KEY_ID,
                "kty": "RSA",
                "n": URL_SAFE_NO_PAD.encode(key.n_bytes()),
                "use": "sig",
            }]
        }))
    }

    /// Signs the claims with RS512 (RFC 7515, compact form).
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let key = SigningKey::<Sha512>::new(self.private()?.clone());
        let header = json!({"alg": "RS512", "kid": KEY_ID, "typ": "JWT"});
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = key.try_sign(text.as_bytes()).ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }
}
