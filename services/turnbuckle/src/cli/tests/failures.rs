//! How commands fail: the code, and the sentence.

use serde_json::{Value, json};

use super::{Server, World};

#[tokio::test]
async fn a_refusal_is_code_3_and_a_fault_of_the_server_code_4() {
    let server = Server::start().await;
    let unknown = json!({
        "type": "urn:turnbuckle:problem:tenant-not-found", "title": "Tenant not found",
        "status": 404, "detail": "there is no tenant nope", "request_id": "r1",
    });
    let fault = json!({
        "type": "urn:turnbuckle:problem:internal", "title": "Internal", "status": 500,
        "detail": "something went wrong here", "request_id": "r2",
    });
    let json_type = "application/problem+json";
    server.on_text(
        "GET /api/v1/admin/tenants/nope",
        404,
        json_type,
        &unknown.to_string(),
    );
    server.on_text(
        "GET /api/v1/admin/tenants/acme",
        500,
        json_type,
        &fault.to_string(),
    );
    server.on_text("GET /api/v1/admin/tenants/odd", 413, "text/html", "<html>");

    let refused = server.run(&["tenant", "show", "nope"]).await;
    let refused_json = server.run(&["tenant", "show", "nope", "-o", "json"]).await;
    let failed = server.run(&["tenant", "show", "acme"]).await;
    let odd = server.run(&["tenant", "show", "odd"]).await;

    let sentence =
        "error: there is no tenant nope: `turnbuckle tenant list` shows those there are\n";
    assert_eq!((refused.code, refused.err.as_str()), (3, sentence));
    let said: Value = serde_json::from_str(&refused_json.err).unwrap();
    assert_eq!(
        (refused_json.code, said, refused_json.out.as_str()),
        (3, unknown, "")
    );
    let sentence = "error: something went wrong here (request r2; the server's log says more)\n";
    assert_eq!((failed.code, failed.err.as_str()), (4, sentence));
    let sentence = "error: the server answered 413 Payload Too Large\n";
    assert_eq!((odd.code, odd.err.as_str()), (3, sentence));
}

#[tokio::test]
async fn a_key_that_opens_nothing_says_how_to_give_another() {
    let server = Server::start().await;
    let problem = json!({
        "type": "urn:turnbuckle:problem:unauthenticated", "title": "Unauthenticated",
        "status": 401, "detail": "the API key is unknown, revoked or expired",
    });
    server.on("GET /api/v1/admin/whoami", 401, &problem);

    let ran = server.run(&["whoami"]).await;

    let sentence = "error: the API key is unknown, revoked or expired: set TURNBUCKLE_API_KEY to \
                    a key that lives\n";
    assert_eq!((ran.code, ran.err.as_str()), (3, sentence));
}

#[tokio::test]
async fn nobody_there_is_code_1_and_says_what_to_start() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);

    let ran = World::default()
        .run(&["whoami", "--url", &url, "--api-key", "tb_x"])
        .await;

    assert_eq!(ran.code, 1);
    let sentence = format!(
        "error: 127.0.0.1 cannot be reached: connection refused: is Turnbuckle running at {url}/? \
         Start it with `turnbuckle up`, or give its address with --url\n"
    );
    assert_eq!(ran.err, sentence);
}

#[tokio::test]
async fn an_answer_of_something_else_is_no_success() {
    let server = Server::start().await;
    server.on_text("GET /api/v1/admin/whoami", 200, "text/html", "<html>");
    server.on_text("GET /api/v1/admin/connector-types", 302, "text/html", "");
    let endless = json!({"tenants": [], "next_page_token": "a"});
    server.on("GET /api/v1/admin/tenants?page_size=500", 200, &endless);
    server.on(
        "GET /api/v1/admin/tenants?page_size=500&page_token=a",
        200,
        &endless,
    );

    for words in [
        &["whoami"][..],
        &["connector", "types"],
        &["tenant", "list"],
    ] {
        let ran = server.run(words).await;
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (1, ""),
            "{words:?} {}",
            ran.err
        );
        assert!(
            ran.err
                .contains("check that the address is that of a Turnbuckle"),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_understood_is_code_2_and_asks_nobody() {
    let server = Server::start().await;
    let add = ["connector", "add", "acme", "x"];

    for (rest, sentence) in [
        (&[][..], "<--type <TYPE>|--command <WORDS>|--mcp-url <URL>>"),
        (
            &["--type", "github", "--command", "npx"],
            "cannot be used with",
        ),
        (
            &["--mcp-url", "ftp://x/"],
            "must begin with http:// or https://",
        ),
        (
            &["--mcp-url", "http://u:p@x/"],
            "may not hold a user name or password",
        ),
        (
            &["--mcp-url", "http://x/", "--base-url", "http://y/"],
            "cannot be used with",
        ),
        (
            &["--type", "github", "--working-directory", "/tmp"],
            "cannot be used with",
        ),
        (
            &[
                "--type",
                "github",
                "--secret-from-env",
                "A",
                "--secret-prompt",
            ],
            "cannot be used with",
        ),
        (
            &["--command", "npx 'x"],
            "--command has a quote that is never closed",
        ),
        (&["--command", " "], "--command is empty: name a program"),
        (
            &["--type", "github", "--secret-from-env", "NOPE"],
            "NOPE is not set: export it first",
        ),
        (
            &["--type", "github", "--secret-from-env", "EMPTY"],
            "EMPTY is empty or no text",
        ),
        (
            &["--type", "github", "--secret-from-file", "/nope"],
            "cannot use /nope: No such file",
        ),
        (
            &["--type", "github", "--secret-prompt"],
            "cannot ask for the secret",
        ),
        (
            &["--mcp-url", "http://x/", "--header-from-env", "=V"],
            "must be NAME=VAR",
        ),
    ] {
        let world = World::with(&[("EMPTY", "")]);
        let ran = server.run_in(world, &[&add[..], rest].concat()).await;
        assert_eq!(ran.code, 2, "{rest:?} {}", ran.err);
        assert!(ran.err.contains(sentence), "{rest:?} {}", ran.err);
    }
    for words in [
        &["tenant", "show", ".."][..],
        &["tenant", "update", "acme"],
        &["connector", "update", "acme", "x"],
        &["key", "create", "--name", "x", "--scope", "root"],
        &["mcp", "call", "acme", "echo", "--args", "[1]"],
        &["mcp", "call", "acme", "echo", "--args", "{"],
        &["whoami", "--api-key", "a\nb"],
    ] {
        let ran = server.run_alone(words).await;
        assert_eq!(ran.code, 2, "{words:?} {}", ran.err);
    }
    assert!(server.seen().is_empty());
}

impl Server {
    /// Runs a command that brings its own key, if any.
    async fn run_alone(&self, words: &[&str]) -> super::Ran {
        let mut words = words.to_vec();
        words.extend(["--url", &self.url]);
        if !words.contains(&"--api-key") {
            words.extend(["--api-key", "tb_x"]);
        }
        World::default().run(&words).await
    }
}
