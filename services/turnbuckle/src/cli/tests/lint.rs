//! `connector lint`: manifests without a platform.

use std::fs;

use serde_json::json;

use super::World;

const ADDING: &str = include_str!("../../../../../docs/connectors/adding.md");

/// The manifest that the documentation walks through.
fn documented() -> &'static str {
    let (_, rest) = ADDING.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// Writes files, lints them, and gives back code, standard output and standard error, without the
/// folder's name.
async fn lint(files: &[(&str, &str)], flags: &[&str]) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let paths = files.iter().map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let paths: Vec<String> = paths.collect();
    let mut words = vec!["connector", "lint"];
    words.extend(paths.iter().map(String::as_str));
    words.extend(flags);
    // No address, no key, no data folder: nothing to ask.
    let ran = World::default().run(&words).await;
    let prefix = format!("{}/", folder.path().display());
    (
        ran.code,
        ran.out.replace(&prefix, ""),
        ran.err.replace(&prefix, ""),
    )
}

#[tokio::test]
async fn the_documented_manifest_is_fine() {
    let (code, out, err) = lint(&[("parcels.toml", documented())], &[]).await;

    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "parcels.toml: connector parcels, 3 tools: fine\n");
    assert!(ADDING.contains(&out), "the page shows what is said");
}

#[tokio::test]
async fn every_fault_has_its_line_its_rule_and_its_remedy_as_the_documentation_shows() {
    let wrong = documented().replace("GET /parcels/{parcel_id}", "GET /parcels/{id}");

    let (code, out, err) = lint(&[("parcels.toml", &wrong)], &[]).await;
    let (json_code, json, _) = lint(&[("parcels.toml", &wrong)], &["-o", "json"]).await;

    assert_eq!(code, 1);
    assert!(ADDING.contains(&format!("{out}{err}```")), "{out}{err}");
    let line = wrong
        .lines()
        .position(|line| line.contains("{id}"))
        .unwrap()
        + 1;
    assert_eq!(json_code, 1);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        document["files"][0]["faults"][0],
        json!({
            "line": line,
            "tool": "parcels_get_parcel",
            "key": "request",
            "rule": "nothing supplies {id}",
            "advice": "add an argument with in = \"path\" and that name, or a constant in const_path",
        })
    );
}

#[tokio::test]
async fn what_the_engine_could_not_run_and_what_cannot_be_read_fails_too() {
    let no_schema = documented().replace(
        "type = \"integer\", minimum = 1, maximum = 31500",
        "schema = { pattern = \"(\" }",
    );
    let other = documented();

    let (code, out, _) = lint(&[("parcels.toml", &no_schema), ("other.toml", other)], &[]).await;
    assert_eq!(code, 1);
    assert!(
        out.contains("tool parcels_send_parcel: args: the arguments make no JSON Schema"),
        "{out}"
    );
    assert!(
        out.contains("other.toml:4: connector: is \"parcels\", but the file is"),
        "{out}"
    );

    let ran = World::default()
        .run(&["connector", "lint", "/nowhere/parcels.toml"])
        .await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("/nowhere/parcels.toml: cannot be read"),
        "{}",
        ran.err
    );
    let ran = World::default().run(&["connector", "lint"]).await;
    assert_eq!(ran.code, 2);
}

#[tokio::test]
async fn a_manifest_of_a_built_in_name_is_fine_with_a_remark() {
    let linear = include_str!("../../../../../shared/catalog/manifests/linear.toml");

    let (code, out, err) = lint(&[("linear.toml", linear)], &[]).await;

    assert_eq!(
        (code, out.as_str()),
        (0, "linear.toml: connector linear, 36 tools: fine\n")
    );
    assert!(err.contains("manifests.may_replace"), "{err}");
}
