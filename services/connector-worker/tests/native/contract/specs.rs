//! Where the providers' descriptions are: beside the project, or in a package that the provider
//! publishes.

use std::path::{Path, PathBuf};

use testkit::provider::Api;

/// Packages that hold a description, installed in `tests/providers`.
const PACKAGES: [(&str, &str); 8] = [
    (
        "github.openapi.json",
        "node_modules/@octokit/openapi/generated/api.github.com.json",
    ),
    (
        "copilot.openapi.json",
        "node_modules/@octokit/openapi/generated/ghec.json",
    ),
    ("gmail.discovery.json", "gmail.v1.json"),
    ("google_calendar.discovery.json", "calendar.v3.json"),
    ("google_docs.discovery.json", "docs.v1.json"),
    ("google_drive.discovery.json", "drive.v3.json"),
    ("google_sheets.discovery.json", "sheets.v4.json"),
    ("google_slides.discovery.json", "slides.v1.json"),
];
/// Where the package of Google's client has its documents.
const DISCOVERY: &str = "python/googleapiclient/discovery_cache/documents";

/// The description `name`, if it is there.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut places = vec![root.join("../shared/providers/specs").join(name)];
    let package = PACKAGES.iter().find(|(known, _)| *known == name);
    if let Some((_, file)) = package {
        let installed = root.join("tests/providers");
        places.push(match file.contains('/') {
            true => installed.join(file),
            false => installed.join(DISCOVERY).join(file),
        });
    }
    places.into_iter().find(|path| path.is_file())
}

/// The operations of a description, which its name says the kind of.
pub(super) fn read(path: &Path) -> Api {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read(path).unwrap();
    let root: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let has = |key: &str| root.as_ref().is_some_and(|root| root.get(key).is_some());
    if name.ends_with(".graphql") {
        Api::graphql(&String::from_utf8(text).unwrap(), "/graphql")
    } else if has("paths") {
        Api::openapi(&text)
    } else if has("resources") {
        Api::discovery(&text)
    } else if has("endpoints") {
        Api::endpoints(&text)
    } else if has("methods") {
        Api::methods(&text)
    } else if has("inventory") {
        Api::inventory(&text)
    } else {
        panic!("{name} is no description of a known kind");
    }
}
