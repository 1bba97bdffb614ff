use std::path::Path;

use axum::body::Body;
use http::Request;
use serde_json::Value;

use crate::harness::Plane;

#[test]
fn the_description_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let current = control_plane::openapi_document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == current,
        "docs/openapi.json is old: run this test with UPDATE=1"
    );
}

#[test]
fn every_operation_says_what_it_takes_and_gives() {
    let document: Value = serde_json::from_str(&control_plane::openapi_document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].is_string(), "{name}");
            assert_eq!(
                operation["security"][0]["api_key"],
                serde_json::json!([]),
                "{name}"
            );
            let parameters = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for placeholder in path
                .split('{')
                .skip(1)
                .filter_map(|part| part.split('}').next())
            {
                assert!(
                    parameters
                        .iter()
                        .any(|p| p["name"] == placeholder && p["in"] == "path"),
                    "{name}"
                );
            }
            for status in ["401", "403", "500"] {
                let problem =
                    &operation["responses"][status]["content"]["application/problem+json"];
                assert_eq!(
                    problem["schema"]["$ref"], "#/components/schemas/Problem",
                    "{name}"
                );
            }
        }
    }
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");

    // Each reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

async fn open(plane: &Plane, path: &str) -> crate::harness::Answer {
    plane
        .send(Request::get(path).body(Body::empty()).unwrap())
        .await
}

#[tokio::test]
async fn the_description_is_open_and_browsable_without_any_outside_asset() {
    let plane = Plane::new().await;
    let document = open(&plane, "/api/v1/openapi.json").await;
    assert_eq!(document.text, control_plane::openapi_document());

    let moved = open(&plane, "/docs").await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (308, Some("/docs/"))
    );
    let page = open(&plane, "/docs/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("http"), "{policy}");

    let mut assets = 0;
    for part in page.text.split(['"', '\'']) {
        assert!(
            !part.starts_with("http:") && !part.starts_with("https:") && !part.starts_with("//"),
            "{part}"
        );
        let file = part.strip_prefix("./").unwrap_or(part);
        let is_asset = [".js", ".css", ".png"]
            .iter()
            .any(|end| file.ends_with(end));
        if is_asset && !file.contains(char::is_whitespace) {
            assets += 1;
            let asset = open(&plane, &format!("/docs/{file}")).await;
            assert_eq!(asset.status, 200, "{file}");
            let sheet = file.ends_with(".css");
            assert!(!sheet || !asset.text.contains("url(http"), "{file}");
        }
    }
    assert!(assets >= 4, "{}", page.text);
    let start = open(&plane, "/docs/swagger-initializer.js").await.text;
    assert!(
        start.contains("/api/v1/openapi.json") && !start.contains("://"),
        "{start}"
    );
    open(&plane, "/docs/nothing")
        .await
        .expect_problem(404, "not-found");
}
