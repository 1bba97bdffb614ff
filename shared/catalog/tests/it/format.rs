//! The whole grammar, in one manifest that no provider has.

use std::sync::Arc;

use catalog::closed::{AuthKind, ErrorStyle, ListPlace};
use catalog::{Catalog, Change, Connector, PageKind, Target};

const WHOLE: &str = include_str!("whole.toml");

fn whole() -> Arc<Connector> {
    Catalog::load([("whole.toml", WHOLE)])
        .unwrap()
        .connector("whole")
        .unwrap()
}

#[test]
fn every_kind_of_paging_is_read() {
    let whole = whole();
    let kind = |tool: &str| {
        whole
            .tool(tool)
            .unwrap()
            .pages
            .as_ref()
            .unwrap()
            .profile
            .kind
            .clone()
    };

    assert!(matches!(kind("whole_link"), PageKind::LinkHeader { .. }));
    assert!(matches!(kind("whole_next"), PageKind::NextUrl { .. }));
    assert!(
        matches!(kind("whole_cursor"), PageKind::Cursor { param, .. } if param.place == ListPlace::Body)
    );
    assert!(matches!(kind("whole_keyset"), PageKind::Keyset { .. }));
    assert!(matches!(
        kind("whole_number"),
        PageKind::PageNumber { first: 1, .. }
    ));
    assert!(matches!(kind("whole_offset"), PageKind::Offset { .. }));
    assert!(matches!(kind("whole_relay"), PageKind::Relay { .. }));
    assert_eq!(whole.errors.style, ErrorStyle::Http200OkFalse);
}

#[test]
fn arguments_are_compiled_to_where_they_go() {
    let whole = whole();
    let tool = whole.tool("whole_write").unwrap();
    let arg = |name: &str| tool.args.iter().find(|arg| arg.name == name).unwrap();

    assert_eq!(arg("thing").aliases, ["thing_id"]);
    assert_eq!(arg("path").change, Some(Change::RawSlashes));
    assert!(matches!(&arg("extra").target, Target::Body(landing) if landing.merge));
    assert!(matches!(&arg("old").target, Target::Ignored));
    assert!(
        tool.description
            .ends_with(" Needs at least one of to, extra. Needs at least one of to, note.")
    );
    assert_eq!(tool.call.variants.len(), 1);
    assert_eq!(tool.call.const_when.len(), 1);
}

#[test]
fn a_pasted_credential_finds_its_method_by_kind_and_path() {
    let whole = whole();
    let method = |path: &str, is_pair| {
        let credential = if is_pair { "ada@x.example:k" } else { "k" };
        let method = whole.auth.pasted(path, credential, None);
        method.map(|method| (method.kind, method.name.clone()))
    };
    let authorization = "Authorization".to_owned();

    let token = (AuthKind::Token, authorization.clone());
    assert_eq!(method("/v2/things", false), Some(token));
    let key = (AuthKind::BodyKey, "service_key".to_owned());
    assert_eq!(method("/v1/things", false), Some(key));
    // An e-mail address with an API token.
    let basic = (AuthKind::Basic, authorization);
    assert_eq!(method("/v2/things", true), Some(basic));
}
