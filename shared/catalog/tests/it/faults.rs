//! What is wrong with a manifest is said with file, tool and key.

pub(crate) const HEAD: &str = r#"
format = 1
connector = "acme"
display_name = "Acme"
category = "test"
summary = "A service for tests."
base_url = "https://api.example.com"
body = "json"
global_query = ["fields"]
[auth]
methods = [{ kind = "token", apply = { in = "header", name = "Authorization", format = "Bearer {token}" } }]
[rate_limit]
statuses = [429]
retry_after = "seconds"
[errors]
style = "http_status"
[pagination.pages]
kind = "page_number"
param = "page"
in = "query"
first = 1
[args.id]
in = "path"
required = true
description = "Id of the thing."
"#;

pub(crate) const TOOL: &str = r#"
[[tools]]
name = "acme_get"
title = "Get"
description = "Gets a thing, whatever it is."
effect = "read"
idempotent = true
request = "GET /things/{id}"
args = ["id"]
"#;

/// All faults, without their lines.
fn faults_of(text: &str) -> String {
    match catalog::compile("acme.toml", text) {
        Ok(_) => "fine".to_owned(),
        Err(mut error) => {
            error.faults.iter_mut().for_each(|fault| fault.line = None);
            error.to_string()
        }
    }
}

/// The faults when one line of the tool is replaced.
fn with_tool(from: &str, to: &str) -> String {
    assert!(TOOL.contains(from), "{from}");
    faults_of(&format!("{HEAD}{}", TOOL.replace(from, to)))
}

fn with_head(from: &str, to: &str) -> String {
    assert!(HEAD.contains(from), "{from}");
    faults_of(&format!("{}{TOOL}", HEAD.replace(from, to)))
}

/// The faults when the tool has this argument beside `id`.
fn with_arg(arg: &str) -> String {
    with_tool(
        "[\"id\"]",
        &format!("[\"id\", {{ name = \"x\", description = \"X.\", {arg} }}]"),
    )
}

fn says(found: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(found.contains(part), "{part:?} is missing in:\n{found}");
    }
}

#[test]
fn the_manifest_of_these_tests_is_fine() {
    assert_eq!(with_tool("GET", "GET"), "fine");
}

#[test]
fn unknown_and_missing_keys_are_named_with_their_tool() {
    says(&faults_of("format = "), &["acme.toml: (syntax):"]);
    says(
        &with_head("category", "kategory"),
        &["acme.toml: (connector): unknown field `kategory`"],
    );
    says(
        &with_tool("title", "titel"),
        &["acme.toml: tool acme_get: (tool): unknown field `titel`"],
    );
    says(
        &with_tool("effect = \"read\"", ""),
        &["tool acme_get: (tool): missing field `effect`"],
    );
    says(
        &with_arg("in = \"query\", colour = 1"),
        &["tool acme_get: args.x: unknown field `colour`"],
    );
    says(
        &with_arg("in = \"query\", transform = \"reverse\""),
        &[
            "tool acme_get: args.x:",
            "unknown variant `reverse`",
            "`raw_slashes`",
        ],
    );
    says(
        &with_tool("\"read\"", "\"reed\""),
        &["acme_get", "unknown variant `reed`, expected one of `read`"],
    );
    says(
        &with_head("format = 1", "format = 2"),
        &["acme.toml: format: is 2, this version reads 1"],
    );
    says(
        &with_head("\"acme\"", "\"other\""),
        &["connector: is \"other\", but the file is acme.toml"],
    );
    says(
        &with_head("https://", "http://"),
        &["base_url: must begin with https://"],
    );
    says(
        &with_head("{token}", "{tocken}"),
        &["auth.methods[0].apply.format: knows no {tocken}"],
    );
}

#[test]
fn a_sign_in_of_a_program_says_where_and_with_what() {
    says(
        &with_head("kind = \"token\"", "kind = \"app_installation\""),
        &[
            "auth.methods[0].kind: needs auth.oauth2",
            "auth.methods[0].token_url: must be there, and hold {installation_id}",
        ],
    );
    says(
        &with_head(
            "kind = \"token\"",
            "kind = \"oauth2_client_credentials\", needs = [\"tenant\"], token_url = \"http://x\"",
        ),
        &[
            "auth.methods[0].kind: needs auth.oauth2",
            "auth.methods[0].needs: names \"tenant\", which is none of auth.oauth2.url_variables",
            "auth.methods[0].token_url: must begin with https://",
        ],
    );
    says(
        &with_head("kind = \"token\"", "kind = \"token\", needs = [\"tenant\"]"),
        &["auth.methods[0].kind: takes no token_url and no needs"],
    );
}

#[test]
fn what_goes_nowhere_or_comes_from_nowhere_is_refused() {
    says(
        &with_tool("/{id}", "/{id}/{part}"),
        &["acme_get: request: nothing supplies {part}"],
    );
    says(
        &with_tool("/{id}", ""),
        &["acme_get: args.id: is in no path"],
    );
    says(&with_arg("in = \"path\""), &["args.x: is in no path"]);
    says(
        &with_arg("in = \"template\""),
        &["args.x: is in no template and no condition"],
    );
    says(
        &with_arg("in = \"code\""),
        &["args.x.in: is for a code hook, but there is none"],
    );
    says(
        &with_arg("in = \"engine\""),
        &["args.x.transform: an engine argument says what it is for"],
    );
    says(&with_arg("in = \"body\""), &["request: a GET has no body"]);
    says(
        &with_arg("in = \"query\", aliases = [\"id\"]"),
        &["args.id: the name is used twice"],
    );
    says(
        &with_arg("in = \"query\", unlisted = \"global\""),
        &["args.x.unlisted: \"x\" is not in global_query"],
    );
    says(
        &with_arg("in = \"query\", when = { given = [\"y\"] }"),
        &["args.x.when: names \"y\", which is no argument"],
    );
    says(
        &with_tool("[\"id\"]", "[\"id\", \"owner\"]"),
        &["args.owner: there is no shared argument \"owner\""],
    );
    says(
        &with_tool("args", "const_query = { q = \"{{y}}\" }\nargs"),
        &["const_query.q:", "names \"y\", which is no argument"],
    );
    says(
        &with_tool("args", "const_query = { q = \"{{id|shout}}\" }\nargs"),
        &["const_query.q:", "unknown filter \"shout\""],
    );
    says(
        &with_tool("args", "require_one_of = [[\"id\", \"y\"]]\nargs"),
        &["require_one_of[0]: names \"y\""],
    );
    says(
        &with_tool("args", "paginate = \"pagse\"\nargs"),
        &["acme_get: paginate: there is no pagination profile \"pagse\""],
    );
    says(
        &with_tool(
            "args",
            "paginate = \"pages\"\nresponse = { items = \"$.items\" }\nargs",
        ),
        &["paginate: nothing reaches the second page"],
    );
    says(
        &with_tool(
            "args",
            "variants = [{ when = { absent = [\"id\"] }, request = \"FETCH /x\" }]\nargs",
        ),
        &["variants[0].request: \"FETCH\" is no known method"],
    );
}

#[test]
fn rules_about_types_names_and_effects_hold() {
    says(
        &with_arg("in = \"query\", type = \"array\""),
        &["args.x.items: an array says what its items are"],
    );
    says(
        &with_arg("in = \"query\", required = true, default = \"a\""),
        &["args.x.default: a required argument has none"],
    );
    says(
        &with_arg("in = \"query\", type = \"integer\", default = \"a\""),
        &["args.x.default: is no integer"],
    );
    says(
        &with_arg("in = \"query\", enum = [\"a\"], default = \"b\""),
        &["args.x.default: is not in the enum"],
    );
    says(
        &with_arg("in = \"query\", transform = \"raw_slashes\""),
        &["args.x.transform: raw_slashes is for path arguments"],
    );
    says(
        &with_tool("\"read\"", "\"write\""),
        &["acme_get: effect: a GET reads"],
    );
    says(
        &with_tool("idempotent = true", "idempotent = false"),
        &["idempotent: a read is"],
    );
    says(
        &with_tool("acme_get", "other_get"),
        &["tool other_get: name: must begin with acme_"],
    );
    says(
        &with_tool("acme_get", &format!("acme_{}", "x".repeat(60))),
        &["name: must be 1 to 64 of"],
    );
    says(
        &with_tool("Gets a thing, whatever it is.", "Gets."),
        &["description: must say what the tool does"],
    );
    says(
        &faults_of(&format!("{HEAD}{TOOL}{TOOL}")),
        &["tool acme_get: name: is used by two tools"],
    );
    says(
        &with_tool("request", "verified = false\nrequest"),
        &["docs: a tool that is not verified names its documentation"],
    );
}

#[test]
fn what_no_engine_runs_is_refused_and_not_left_out() {
    says(
        &with_tool("args", "code = \"calendar_rsvp\"\nargs"),
        &["acme.toml: tool acme_get: steps: calendar_rsvp makes 1 further calls"],
    );
}

#[test]
fn what_goes_together_is_not_given_alone() {
    for (line, what) in [
        (
            "response = { kind = \"report_links\" }",
            "response.links_path: goes with link_format and the kind report_links, and only with them",
        ),
        (
            "response = { links_path = \"$.links\", link_format = \"ndjson\" }",
            "response.links_path: goes with link_format and the kind report_links, and only with them",
        ),
        (
            "response = { async = { status = 200, poll = \"location\" } }",
            "response.async.status: can only be 202",
        ),
        ("body = \"raw\"", "content_type: is what a raw body needs"),
        (
            "body = \"raw\"\ncontent_type = \"text/plain\"",
            "body: raw needs an argument that is the whole body",
        ),
        (
            "body = \"multipart_related\"",
            "media_type: goes with a multipart body and one media argument, and only with them",
        ),
        (
            "media_type = \"text/plain\"",
            "media_type: goes with a multipart body and one media argument, and only with them",
        ),
    ] {
        let found = with_tool("args", &format!("{line}\nargs"));
        says(&found, &["acme.toml: tool acme_get: ", what]);
    }
    for (arg, what) in [
        ("in = \"media\"", "media_type: goes with a multipart body"),
        (
            "in = \"query\", transform = \"fan_out\"",
            "args.x.transform: fan_out is for arrays",
        ),
        (
            "in = \"header\", transform = \"iterate_days\"",
            "args.x.transform: is for query and body arguments",
        ),
        (
            "in = \"query\", transform = \"base64_decode\"",
            "args.x.transform: base64_decode is for raw bodies",
        ),
        (
            "in = \"engine\", wire = \"start\", transform = \"client_page\"",
            "args.x.wire: is page or per_page with client_page",
        ),
    ] {
        says(&with_arg(arg), &[what]);
    }
    says(
        &with_head("api.example.com", "api.example.com/{site}"),
        &["base_url_variables: must say what each {…} of base_url is, and no other"],
    );
}

#[test]
fn limits_on_what_runs_at_once_must_be_able_to_hold() {
    let with = |line: &str| with_head("[rate_limit]", &format!("[rate_limit]\n{line}"));

    assert_eq!(
        with("serial_path_params = [\"id\"]\nrequests_at_once = 1"),
        "fine"
    );
    says(
        &with("serial_path_params = [\"id\", \"di\"]"),
        &["rate_limit.serial_path_params: names \"di\", which is in no tool's path"],
    );
    says(
        &with("requests_at_once = 0"),
        &["rate_limit.requests_at_once: must be at least 1"],
    );
}

#[test]
fn a_list_of_resources_is_looked_for_where_the_tool_shows_it() {
    let listing = r#"
[[tools]]
name = "acme_list"
title = "List"
description = "Lists things, all of them."
effect = "read"
idempotent = true
request = "GET /things"
paginate = "pages"
follow_pages = 100
response = { items = "$.value" }
[[resources]]
uri = "acme://thing/{id}"
name = "thing"
title = "Thing"
description = "A thing."
mime_type = "application/json"
tool = "acme_get"
list = { tool = "acme_list", items = "$.items", variables = { id = "$.id" } }
"#;
    let with = |from: &str, to: &str| {
        assert!(listing.contains(from), "{from}");
        faults_of(&format!("{HEAD}{TOOL}{}", listing.replace(from, to)))
    };

    assert_eq!(with("$.items", "$.items"), "fine");
    // What the provider calls it is not what the joined pages are called.
    says(
        &with("items = \"$.items\"", "items = \"$.value\""),
        &["list.items: the list of acme_list stands at $.items"],
    );
    let one_page = with("paginate = \"pages\"\nfollow_pages = 100\n", "");
    assert_eq!(one_page, "fine", "and of one page nobody can tell");
}

#[test]
fn one_reading_names_every_fault() {
    let found = faults_of(&format!(
        "{HEAD}{}",
        TOOL.replace("\"read\"", "\"write\"")
            .replace("/{id}", "/{di}")
    ));

    assert_eq!(
        found,
        "acme.toml: tool acme_get: effect: a GET reads\n\
         acme.toml: tool acme_get: request: nothing supplies {di}"
    );
}

#[test]
fn every_fault_says_in_which_line_it_is_and_how_to_mend_it() {
    // (in the head or the tool, what is written instead, the line that is meant, the advice)
    let arg =
        "args = [\"id\", { name = \"x\", in = \"query\",\n  enum = [], description = \"X.\" }]";
    let shared = "[args.id]\nin = \"path\"\ncolour = 1";
    let cases = [
        (
            "category",
            "kategory",
            "kategory =",
            "write category if that is meant",
        ),
        ("https://", "http://", "base_url =", "see \"The connector\""),
        (
            "statuses = [429]",
            "statuses = []",
            "statuses = []",
            "see \"rate_limit\"",
        ),
        ("{token}", "{tocken}", "methods =", "see \"auth\""),
        (
            "[args.id]\nin = \"path\"",
            shared,
            "colour = 1",
            "take it out, or see \"Arguments\"",
        ),
        ("title", "titel", "titel =", "write title if that is meant"),
        ("effect = \"read\"", "", "[[tools]]", "add effect"),
        (
            "\"read\"",
            "\"reed\"",
            "effect =",
            "write read if that is meant",
        ),
        (
            "/{id}",
            "/{di}",
            "request =",
            "add an argument with in = \"path\"",
        ),
        ("args = [\"id\"]", arg, "enum = []", "see \"Arguments\""),
        (
            "request",
            "paginate = \"pagse\"\nrequest",
            "paginate =",
            "add [pagination.NAME]",
        ),
        ("title = \"Get\"", "title = ", "title =", "mend the TOML"),
    ];
    for (from, to, line, advice) in cases {
        let text = format!("{HEAD}{TOOL}").replacen(from, to, 1);
        let error = catalog::compile("acme.toml", &text).unwrap_err();
        let meant = text
            .lines()
            .position(|known| known.trim().starts_with(line));
        let found = error
            .faults
            .iter()
            .find(|fault| fault.line == meant.map(|at| at + 1));
        let Some(found) = found else {
            panic!("{to:?} is not placed at {line:?} (line {meant:?} + 1):\n{error}");
        };
        let said = found.advice();
        assert!(said.starts_with(advice), "{to:?}: {said}");
    }
}
