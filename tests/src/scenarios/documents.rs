//! Documents are held to what they name. `docs/protocol.md` says where each requirement of the
//! protocol is met and which test shows it; and links of all documents lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Home;

/// Folders whose crates the document names without them.
const BASES: [&str; 3] = ["", "services", "shared"];
const ENDINGS: [&str; 7] = ["rs", "mjs", "json", "yml", "txt", "toml", "md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("docs/protocol.md")).unwrap()
}

/// A file, and perhaps a test in it.
#[derive(Debug, PartialEq)]
struct Citation<'a> {
    file: &'a str,
    test: Option<&'a str>,
}

/// All citations of a text: what stands between backticks and ends like a file of ours.
fn citations(text: &str) -> impl Iterator<Item = Citation<'_>> {
    text.split('`').skip(1).step_by(2).filter_map(|quoted| {
        let (file, test) = match quoted.split_once("::") {
            Some((file, test)) => (file, Some(test)),
            None => (quoted, None),
        };
        let (folder, name) = file.rsplit_once('/')?;
        let (_, ending) = name.rsplit_once('.')?;
        let is_file = !folder.is_empty() && ENDINGS.contains(&ending);
        is_file.then_some(Citation { file, test })
    })
}

fn find(file: &str) -> Option<PathBuf> {
    let places = BASES.map(|base| root().join(base).join(file));
    places.into_iter().find(|path| path.is_file())
}

/// What is wrong with a citation.
fn fault(citation: &Citation<'_>) -> Option<String> {
    let Some(path) = find(citation.file) else {
        return Some(format!("{} does not exist", citation.file));
    };
    let test = citation.test?;
    let text = fs::read_to_string(path).unwrap();
    let known = text.contains(&format!("fn {test}("));
    (!known).then(|| format!("{} has no test {test}", citation.file))
}

/// The rows of the document's tables of requirements, as their cells.
fn requirements(text: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if line.starts_with("| requirement |") {
            inside = true;
        } else if inside && !line.starts_with("|---") {
            let cells = line.trim_matches('|').split('|');
            rows.push(cells.map(str::trim).collect());
        }
    }
    rows
}

#[test]
fn each_file_and_test_that_the_protocols_table_names_exists() {
    let text = document();

    let faults: Vec<String> = citations(&text).filter_map(|it| fault(&it)).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(citations(&text).filter(|it| it.test.is_some()).count() > 100);
}

#[test]
fn each_requirement_names_its_place_and_its_test_or_says_that_it_is_not_met() {
    let text = document();
    let rows = requirements(&text);
    assert!(rows.len() > 100, "{}", rows.len());

    for row in rows {
        let [requirement, _revisions, place, test] = row[..] else {
            panic!("not a row of four cells: {row:?}");
        };
        let tested = citations(test).any(|it| it.test.is_some());
        let met = citations(place).next().is_some() && tested;
        assert!(met || requirement.contains("**Not done"), "{requirement}");
    }
}

/// The documents that people are to read, by their paths.
fn documents() -> Vec<PathBuf> {
    let mut all = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                all.push(path);
            }
        }
    }
    all
}

/// The anchor of a heading, as those who show Markdown make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => c.to_lowercase().next(),
        _ => None,
    });
    kept.collect()
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let leads = target.exists()
                && (wanted.is_empty() || {
                    let text = fs::read_to_string(&target).unwrap();
                    let headings = text.lines().filter(|line| line.starts_with('#'));
                    let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
                    anchors.any(|anchor| anchor == wanted)
                });
            if !leads {
                faults.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_setting_is_explained_to_the_operator() {
    let output = Home::new()
        .command(&["up", "--print-config"])
        .output()
        .unwrap();
    let config = String::from_utf8(output.stdout).unwrap();
    let explained = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    // Between backticks, alone or with its section.
    let quoted: Vec<&str> = explained.split('`').skip(1).step_by(2).collect();
    let is_named = |key: &str| {
        let mut names = quoted.iter().map(|name| name.rsplit('.').next().unwrap());
        names.any(|name| name == key)
    };

    let keys = config.lines().filter_map(|line| line.split_once(" = "));
    let unknown: Vec<&str> = keys
        .map(|(key, _)| key)
        .filter(|key| !is_named(key))
        .collect();

    assert!(config.contains("[gateway]"), "{config}");
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn a_citation_of_what_is_not_there_is_found() {
    let wrong = "`mcp/src/era.rs::no_such_test` `mcp/src/nothing.rs` `application/json` `a.b`";

    let faults: Vec<String> = citations(wrong).filter_map(|it| fault(&it)).collect();

    assert_eq!(
        faults,
        [
            "mcp/src/era.rs has no test no_such_test",
            "mcp/src/nothing.rs does not exist"
        ]
    );
}
