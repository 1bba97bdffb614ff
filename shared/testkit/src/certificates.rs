//! A certificate authority for one test, with certificates of loopback, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// The files; gone when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// An authority, a server's certificate for `localhost` and `127.0.0.1`, and a client's.
    pub fn of_loopback() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("the folder is ours");
        };
        let key = || KeyPair::generate().expect("ring makes keys");
        let params = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            CertificateParams::new(names).expect("these are names")
        };
        let mut authority = params(&[]);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("our key signs");
        write("ca.pem", authority.as_ref().pem());
        for (name, names) in [
            ("server", ["localhost", "127.0.0.1"].as_slice()),
            ("client", ["client"].as_slice()),
        ] {
            let own = key();
            let certificate = params(names)
                .signed_by(&own, &authority)
                .expect("our authority signs");
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), own.serialize_pem());
        }
        Self { folder }
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    pub fn server(&self) -> PathBuf {
        self.file("server.pem")
    }

    pub fn server_key(&self) -> PathBuf {
        self.file("server.key")
    }

    pub fn client(&self) -> PathBuf {
        self.file("client.pem")
    }

    pub fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }

    fn file(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}
