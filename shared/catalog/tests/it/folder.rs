//! Manifests of an operator, in a folder that changes while the catalog is in use.

use std::fs;
use std::path::PathBuf;

use catalog::{Catalog, Connector, Fault, Folder, Look};

use crate::faults::{HEAD, TOOL};

/// A folder, looked at by a catalog.
struct Stage {
    files: tempfile::TempDir,
    folder: Folder,
    catalog: std::sync::Arc<Catalog>,
}

impl Stage {
    fn new(may_replace: &[&str]) -> Self {
        Self::checked(may_replace, |_| Vec::new())
    }

    fn checked(may_replace: &[&str], check: catalog::Check) -> Self {
        let files = tempfile::tempdir().unwrap();
        let may_replace = may_replace.iter().map(|name| (*name).to_owned());
        Self {
            folder: Folder::new(files.path(), may_replace, check),
            catalog: Catalog::builtin(),
            files,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Writes a file and looks.
    fn write(&mut self, name: &str, text: &str) -> Look {
        // Beside, then in its place: two files of one size and one tick of the clock still differ.
        let beside = self.path("beside");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.path(name)).unwrap();
        self.look()
    }

    fn look(&mut self) -> Look {
        self.folder.look(&self.catalog).unwrap()
    }

    fn title(&self) -> Option<String> {
        let connector = self.catalog.connector("acme")?;
        Some(connector.tools[0].title.clone())
    }
}

fn acme(title: &str) -> String {
    let tool = TOOL.replace("title = \"Get\"", &format!("title = \"{title}\""));
    format!("{HEAD}{tool}")
}

fn changed(look: &Look) -> Vec<&str> {
    look.changed.iter().map(String::as_str).collect()
}

#[test]
fn a_file_is_a_connector_as_long_as_it_is_there_and_as_it_is_now() {
    let mut stage = Stage::new(&[]);
    let builtin = stage.catalog.summaries().len();
    assert_eq!(stage.look(), Look::default());

    let look = stage.write("acme.toml", &acme("One"));
    assert_eq!((changed(&look), look.served), (vec!["acme"], 1));
    assert_eq!(stage.title().as_deref(), Some("One"));
    assert_eq!(stage.catalog.summaries().len(), builtin + 1);
    let held = stage.catalog.connector("acme").unwrap();

    assert_eq!(changed(&stage.look()), [""; 0], "nothing was written");
    let look = stage.write("acme.toml", &acme("Two"));
    assert_eq!(changed(&look), ["acme"]);
    assert_eq!(stage.title().as_deref(), Some("Two"));
    assert_eq!(held.tools[0].title, "One", "who has it keeps it");

    fs::remove_file(stage.path("acme.toml")).unwrap();
    let look = stage.look();
    assert_eq!((changed(&look), look.served), (vec!["acme"], 0));
    assert_eq!(stage.title(), None);
    assert!(stage.catalog.connector("github").is_some());
}

#[test]
fn a_file_that_cannot_be_used_leaves_what_it_said_before() {
    let mut stage = Stage::new(&[]);
    stage.write("acme.toml", &acme("One"));

    let broken = acme("Two").replace("\"read\"", "\"reed\"");
    let look = stage.write("acme.toml", &broken);
    assert_eq!((changed(&look), look.served), (vec![], 1));
    let why = &look.broken["acme.toml"];
    let line = broken
        .lines()
        .position(|line| line.contains("reed"))
        .unwrap()
        + 1;
    assert!(
        why.starts_with(&format!("acme.toml:{line}: tool acme_get: ")) && why.contains("reed"),
        "{why}"
    );
    assert_eq!(stage.title().as_deref(), Some("One"));
    assert_eq!(stage.look(), look, "it is said as long as it is so");

    let look = stage.write("acme.toml", &acme("Three"));
    assert_eq!((changed(&look), look.broken.len()), (vec!["acme"], 0));

    let look = stage.write("other.toml", &acme("Other"));
    assert!(
        look.broken["other.toml"].contains("connector: is \"acme\", but the file is other.toml")
    );
    let look = stage.write("other.toml", &"#".repeat(1024 * 1024 + 1));
    assert!(look.broken["other.toml"].contains("a manifest has 1048576 bytes at most"));
    fs::write(stage.path("notes.txt"), "none of its business").unwrap();
    fs::remove_file(stage.path("other.toml")).unwrap();
    assert_eq!(stage.look().broken.len(), 0);
}

#[test]
fn a_built_in_connector_is_replaced_only_where_that_was_said() {
    let linear = include_str!("../../manifests/linear.toml").replace(
        "display_name = \"Linear\"",
        "display_name = \"Linear of ours\"",
    );
    let name = |stage: &Stage| {
        stage
            .catalog
            .connector("linear")
            .unwrap()
            .display_name
            .clone()
    };

    let mut stage = Stage::new(&[]);
    let look = stage.write("linear.toml", &linear);
    assert_eq!((changed(&look), look.served), (vec![], 0));
    assert!(look.broken["linear.toml"].contains("manifests.may_replace"));
    assert_eq!(name(&stage), "Linear");

    let mut stage = Stage::new(&["linear"]);
    let look = stage.write("linear.toml", &linear);
    assert_eq!((changed(&look), look.broken.len()), (vec!["linear"], 0));
    assert_eq!(name(&stage), "Linear of ours");
    let shown = stage.catalog.summaries();
    assert!(
        shown
            .iter()
            .any(|known| known.display_name == "Linear of ours")
    );

    fs::remove_file(stage.path("linear.toml")).unwrap();
    assert_eq!(changed(&stage.look()), ["linear"]);
    assert_eq!(name(&stage), "Linear");
}

#[test]
fn what_only_the_engine_can_tell_is_asked_for_and_located() {
    fn refuses(connector: &Connector) -> Vec<Fault> {
        vec![Fault::of_tool(
            &connector.tools[0].name,
            "request",
            "is not to my taste",
        )]
    }
    let mut stage = Stage::checked(&[], refuses);

    let look = stage.write("acme.toml", &acme("One"));

    let why = &look.broken["acme.toml"];
    let line = acme("One")
        .lines()
        .position(|line| line.starts_with("request"))
        .unwrap()
        + 1;
    assert_eq!(
        *why,
        format!("acme.toml:{line}: tool acme_get: request: is not to my taste")
    );
    assert_eq!(stage.title(), None);
}

#[test]
fn a_folder_that_cannot_be_read_takes_nothing_away() {
    let mut stage = Stage::new(&[]);
    stage.write("acme.toml", &acme("One"));

    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    fs::rename(stage.files.path(), &away).unwrap();
    let looked = stage.folder.look(&stage.catalog);
    fs::rename(&away, stage.files.path()).unwrap();

    assert!(looked.is_err());
    assert_eq!(stage.title().as_deref(), Some("One"));
    assert_eq!(changed(&stage.look()), [""; 0]);
}
