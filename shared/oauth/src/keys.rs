//! Private keys that assertions are signed with, and the assertions (RFC 7519, RFC 7523).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use rustls_pki_types::pem::{PemObject, SectionKind};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// Bytes of a key in PEM: four times the longest that is taken.
const PEM_MAX: usize = 16 * 1024;

/// A private key, with the name that the other side knows it by. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Pair>,
    key_id: Option<String>,
    /// Of the certificate that came with it, by which Microsoft knows the key: `x5t#S256` of RFC
    /// 7515.
    thumbprint: Option<String>,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// How a key signs, by its word in RFC 7518.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    Rs256,
    /// With a certificate: what Microsoft asks for then.
    Ps256,
    Es256,
}

impl SigningAlgorithm {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
}

/// What is wrong with what was to be a key: a rule to follow its name with. Says nothing of what
/// it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "must be a private key in PEM: -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE \
         KEY-----, with all lines to its END"
    )]
    NoKey,
    #[error(
        "must not be encrypted: take its passphrase off first, with `openssl pkcs8 -in KEY -out \
         PLAIN`"
    )]
    Encrypted,
    #[error("must be a private key, and is a public one or a certificate")]
    Public,
    #[error("must hold one private key, and holds several")]
    Several,
    #[error("must be an EC key in PKCS#8: change it with `openssl pkcs8 -topk8 -nocrypt -in KEY`")]
    Sec1,
    #[error("must be an RSA key, or an EC key of the curve P-256")]
    Algorithm,
    #[error("must be an RSA key of 2048 to 4096 bits")]
    Length,
    #[error("must be a whole key: its parts do not fit together, or cannot be read")]
    Damaged,
}

/// A signature that could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not sign")]
pub(crate) struct NotSigned;

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Of an RSA key (PKCS#8 or PKCS#1) or an EC key of the curve P-256 (PKCS#8), and the
    /// certificate beside it, where there is one.
    pub fn of_pem(pem: &str, key_id: Option<String>) -> Result<Self, KeyError> {
        if pem.len() > PEM_MAX {
            return Err(KeyError::NoKey);
        }
        let Read {
            kind,
            der,
            thumbprint,
        } = Read::of(pem)?;
        let pair = match kind {
            SectionKind::RsaPrivateKey => Pair::Rsa(RsaKeyPair::from_der(&der).map_err(why)?),
            SectionKind::EcPrivateKey => return Err(KeyError::Sec1),
            _ => pair_of_pkcs8(&der)?,
        };
        Ok(Self {
            pair: Arc::new(pair),
            key_id,
            thumbprint,
        })
    }

    pub fn algorithm(&self) -> SigningAlgorithm {
        match &*self.pair {
            Pair::Rsa(_) if self.thumbprint.is_some() => SigningAlgorithm::Ps256,
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
            Pair::P256(_) => SigningAlgorithm::Es256,
        }
    }

    /// `claims` as a signed token.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, NotSigned> {
        let mut header = json!({ "alg": self.algorithm().as_str(), "typ": "JWT" });
        if let Some(key_id) = &self.key_id {
            header["kid"] = json!(key_id);
        }
        if let Some(thumbprint) = &self.thumbprint {
            header["x5t#S256"] = json!(thumbprint);
        }
        let claims = serde_json::to_vec(claims).map_err(|_| NotSigned)?;
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", part(header.to_string().as_bytes()), part(&claims));
        let random = SystemRandom::new();
        let signature = match &*self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm() {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, signed.as_bytes(), &mut signature)
                    .map_err(|_| NotSigned)?;
                signature
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&random, signed.as_bytes());
                signature.map_err(|_| NotSigned)?.as_ref().to_vec()
            }
        };
        Ok(format!("{signed}.{}", part(&signature)))
    }
}

/// What a file holds.
struct Read {
    kind: SectionKind,
    der: Zeroizing<Vec<u8>>,
    thumbprint: Option<String>,
}

impl Read {
    /// The one private key in `pem`, and the first certificate, which is the key's own.
    fn of(pem: &str) -> Result<Self, KeyError> {
        let encrypted = [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "Proc-Type: 4,ENCRYPTED",
        ];
        if encrypted.iter().any(|mark| pem.contains(mark)) {
            return Err(KeyError::Encrypted);
        }
        let (mut found, mut thumbprint, mut is_public) = (None, None, false);
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            let (kind, der) = section.map_err(|_| KeyError::NoKey)?;
            match kind {
                SectionKind::PrivateKey
                | SectionKind::RsaPrivateKey
                | SectionKind::EcPrivateKey => {
                    let key = (kind, Zeroizing::new(der));
                    if found.replace(key).is_some() {
                        return Err(KeyError::Several);
                    }
                }
                SectionKind::Certificate => {
                    let hash = digest::digest(&digest::SHA256, &der);
                    thumbprint.get_or_insert_with(|| URL_SAFE_NO_PAD.encode(hash));
                    is_public = true;
                }
                _ => is_public = true,
            }
        }
        let nothing = match is_public {
            true => KeyError::Public,
            false => KeyError::NoKey,
        };
        let (kind, der) = found.ok_or(nothing)?;
        Ok(Self {
            kind,
            der,
            thumbprint,
        })
    }
}

fn pair_of_pkcs8(der: &[u8]) -> Result<Pair, KeyError> {
    let rsa = match RsaKeyPair::from_pkcs8(der) {
        Ok(pair) => return Ok(Pair::Rsa(pair)),
        Err(rejected) => why(rejected),
    };
    if rsa != KeyError::Algorithm {
        return Err(rsa);
    }
    let random = SystemRandom::new();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
        .map(Pair::P256)
        .map_err(why)
}

/// `ring` tells its reasons in words alone.
fn why(rejected: KeyRejected) -> KeyError {
    match rejected.to_string().as_str() {
        "WrongAlgorithm" => KeyError::Algorithm,
        "TooSmall" | "TooLarge" | "PrivateModulusLenNotMultipleOf512Bits" => KeyError::Length,
        _ => KeyError::Damaged,
    }
}
