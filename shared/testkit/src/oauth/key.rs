//! Keys that programs sign with, and what verifies their signatures. They are known to everybody
//! who reads this: for tests alone.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use sha2::{Digest, Sha256};

/// What stands before the key itself in PKCS#8, for an RSA key of 2048 bits.
const RSA_WRAPPING: usize = 26;

/// A private key.
#[derive(Clone, PartialEq, Eq)]
pub struct TestKey {
    kind: Kind,
    pkcs8: Vec<u8>,
    certificate: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestKey(..)")
    }
}

impl TestKey {
    /// RSA, 2048 bits; always the same.
    pub fn rsa() -> Self {
        Self::of(Kind::Rsa, include_bytes!("keys/rsa-one.pkcs8.der"))
    }

    /// Another one.
    pub fn another_rsa() -> Self {
        Self::of(Kind::Rsa, include_bytes!("keys/rsa-another.pkcs8.der"))
    }

    /// RSA, 1024 bits, with which nobody should sign.
    pub fn short_rsa() -> Self {
        Self::of(Kind::Rsa, include_bytes!("keys/rsa-short.pkcs8.der"))
    }

    /// EC of the curve P-256; a new one each time.
    pub fn p256() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self::of(Kind::P256, made.expect("there is randomness").as_ref())
    }

    fn of(kind: Kind, pkcs8: &[u8]) -> Self {
        Self {
            kind,
            pkcs8: pkcs8.to_vec(),
            certificate: None,
        }
    }

    /// With a certificate, as Microsoft wants it: assertions name it, and are padded otherwise. Of
    /// an RSA key alone. Nobody looks into the certificate.
    #[must_use]
    pub fn certified(self) -> Self {
        Self {
            certificate: Some(b"what a certificate would say".to_vec()),
            ..self
        }
    }

    /// The certificate's, as the header of an assertion names it.
    pub(super) fn thumbprint(&self) -> Option<String> {
        let certificate = self.certificate.as_ref()?;
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(certificate)))
    }

    /// In PKCS#8, as Google gives it.
    pub fn pem(&self) -> String {
        let key = armored("PRIVATE KEY", &self.pkcs8);
        let certificate = self.certificate.as_deref();
        let certificate = certificate.map(|der| armored("CERTIFICATE", der));
        certificate.unwrap_or_default() + &key
    }

    /// In PKCS#1, as GitHub gives it. Of an RSA key alone.
    pub fn pkcs1_pem(&self) -> String {
        armored("RSA PRIVATE KEY", &self.pkcs8[RSA_WRAPPING..])
    }

    /// The word for how it signs.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa if self.certificate.is_some() => "PS256",
            Kind::Rsa => "RS256",
            Kind::P256 => "ES256",
        }
    }

    /// Whether this key made that signature.
    pub(super) fn signed(&self, what: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&'static dyn VerificationAlgorithm, Vec<u8>) = match self.kind {
            Kind::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).expect("it is a whole key");
                let public = pair.public_key().as_ref().to_vec();
                match self.certificate {
                    Some(_) => (&RSA_PSS_2048_8192_SHA256, public),
                    None => (&RSA_PKCS1_2048_8192_SHA256, public),
                }
            }
            Kind::P256 => {
                let (by, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let pair = EcdsaKeyPair::from_pkcs8(by, &self.pkcs8, &random);
                let pair = pair.expect("it is a whole key");
                (
                    &ECDSA_P256_SHA256_FIXED,
                    pair.public_key().as_ref().to_vec(),
                )
            }
        };
        let key = UnparsedPublicKey::new(algorithm, public);
        key.verify(what, signature).is_ok()
    }
}

fn armored(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
