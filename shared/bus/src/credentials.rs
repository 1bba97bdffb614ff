//! What a node shows to NATS, read from its file at each connection: a changed file counts from the
//! next one on.

use std::path::Path;

use async_nats::Auth;
use nkeys::KeyPair;

const JWT_BEGINS: &str = "BEGIN NATS USER JWT";
const SEED_BEGINS: &str = "BEGIN USER NKEY SEED";
/// Longer files are no credentials.
const MAX_BYTES: usize = 64 * 1024;

/// Reads a `.creds` file, or one line: `user:password`, or a token.
///
/// Errors name the file and never what is in it.
pub(crate) async fn read(path: &Path, nonce: &[u8]) -> Result<Auth, String> {
    let failed = |why: &str| format!("credentials {}: {why}", path.display());
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| failed(&error.to_string()))?;
    if text.len() > MAX_BYTES {
        return Err(failed("the file is too long"));
    }
    let mut auth = Auth::new();
    if text.contains(JWT_BEGINS) {
        let jwt = after(&text, JWT_BEGINS).ok_or_else(|| failed("there is no JWT in it"))?;
        let seed = after(&text, SEED_BEGINS).ok_or_else(|| failed("there is no seed in it"))?;
        let sign = |seed: &str| KeyPair::from_seed(seed)?.sign(nonce);
        let signature = sign(seed).map_err(|_| failed("its seed is none"))?;
        auth.jwt = Some(jwt.to_owned());
        auth.signature = Some(signature);
        return Ok(auth);
    }
    let line = text.trim();
    if line.is_empty() || line.contains('\n') {
        return Err(failed(
            "it must be a .creds file, or one line: user:password, or a token",
        ));
    }
    match line.split_once(':') {
        Some((user, password)) => {
            auth.username = Some(user.to_owned());
            auth.password = Some(password.to_owned());
        }
        None => auth.token = Some(line.to_owned()),
    }
    Ok(auth)
}

/// The line after the one that holds a heading.
fn after<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let mut lines = text.lines().skip_while(|line| !line.contains(heading));
    lines.nth(1).map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_text(text: &str) -> Result<Auth, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(&path, text).unwrap();
        let auth = read(&path, b"nonce").await;
        auth.map_err(|error| error.replace(&path.display().to_string(), "FILE"))
    }

    #[tokio::test]
    async fn each_form_of_credentials_is_told_from_the_others() {
        let user = read_text("mary:s3:cret\n").await.unwrap();
        assert_eq!(user.username.as_deref(), Some("mary"));
        assert_eq!(user.password.as_deref(), Some("s3:cret"));

        let token = read_text("t0ken").await.unwrap();
        assert_eq!(token.token.as_deref(), Some("t0ken"));

        let pair = KeyPair::new_user();
        let seed = pair.seed().unwrap();
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\nheader.claims.sum\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        let jwt = read_text(&creds).await.unwrap();
        assert_eq!(jwt.jwt.as_deref(), Some("header.claims.sum"));
        pair.verify(b"nonce", &jwt.signature.unwrap()).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_credentials_is_refused_without_being_printed() {
        let jwt = "-----BEGIN NATS USER JWT-----\nhunter2\n";
        for (text, why) in [
            (
                "",
                "it must be a .creds file, or one line: user:password, or a token",
            ),
            (
                "hunter2\nhunter3",
                "it must be a .creds file, or one line: user:password, or a token",
            ),
            (jwt, "there is no seed in it"),
            (
                &format!("{jwt}-----BEGIN USER NKEY SEED-----\nhunter2"),
                "its seed is none",
            ),
            (&"x".repeat(MAX_BYTES + 1), "the file is too long"),
        ] {
            let refused = read_text(text).await.err();
            assert_eq!(refused, Some(format!("credentials FILE: {why}")));
        }
    }
}
