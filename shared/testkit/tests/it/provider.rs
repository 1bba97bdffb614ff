use serde_json::json;
use testkit::provider::{Api, Provider, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn api() -> Api {
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } });
    let document = json!({
        "openapi": "3.0.3",
        "components": { "parameters": { "id": id } },
        "paths": { "/things/{id}": {
            "parameters": [{ "$ref": "#/components/parameters/id" }],
            "get": {
                "operationId": "get",
                "parameters": [
                    { "name": "sort", "in": "query", "schema": { "type": "string", "enum": ["up", "down"] } },
                    { "name": "key", "in": "query", "required": true, "schema": { "type": "string" } },
                ],
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object", "properties": { "n": { "type": "integer", "nullable": true } },
                } } } } },
            },
            "put": {
                "operationId": "put",
                "requestBody": { "required": true, "content": { "application/json": { "schema": {
                    "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } },
                } } } },
                "responses": { "204": {} },
            },
        } },
    });
    Api::openapi(document.to_string().as_bytes())
}

/// Sends a request as text; gives status and body.
async fn send(provider: &Provider, head: &str, fields: &str, body: &str) -> (u16, String) {
    let address = provider.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: application/json\r\n\
         content-length: {length}\r\n{fields}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

const SIGNED: &str = "authorization: Bearer t\r\nuser-agent: me\r\n";
const JSON: &str =
    "authorization: Bearer t\r\nuser-agent: me\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn what_is_described_is_answered_with_data_that_conforms() {
    let rules = Rules {
        headers: vec!["user-agent"],
        ..Rules::authorization("Bearer t")
    };
    let provider = Provider::start(api(), rules).await;

    assert_eq!(
        send(&provider, "GET /things/7?key=k&sort=up", SIGNED, "").await,
        (200, "{\"n\":1}".to_owned())
    );
    assert_eq!(
        send(&provider, "PUT /things/7", JSON, "{\"a\":\"b\"}")
            .await
            .0,
        204
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn whatever_else_is_a_violation() {
    let rules = Rules {
        headers: vec!["user-agent"],
        ..Rules::authorization("Bearer t")
    };
    let cases = [
        ("GET /others/7", SIGNED, "", "is in no description"),
        ("DELETE /things/7", SIGNED, "", "is in no description"),
        ("GET /things/x?key=k", SIGNED, "", "path parameter id"),
        (
            "GET /things/7",
            SIGNED,
            "",
            "query parameter key is missing",
        ),
        (
            "GET /things/7?key=k&other=1",
            SIGNED,
            "",
            "query parameter other is not described",
        ),
        (
            "GET /things/7?key=k&key=l",
            SIGNED,
            "",
            "query parameter key is given more than once",
        ),
        (
            "GET /things/7?key=k&sort=left",
            SIGNED,
            "",
            "query parameter sort",
        ),
        (
            "GET /things/7?key=k",
            SIGNED,
            "{}",
            "a body is sent, but none is described",
        ),
        (
            "GET /things/7?key=k",
            "user-agent: me\r\n",
            "",
            "authorization is missing or wrong",
        ),
        (
            "GET /things/7?key=k",
            "authorization: Bearer t\r\n",
            "",
            "the header field user-agent is missing",
        ),
        ("PUT /things/7", JSON, "", "the body is missing"),
        ("PUT /things/7", JSON, "{", "the body is no JSON"),
        ("PUT /things/7", JSON, "{}", "\"a\" is a required property"),
        (
            "PUT /things/7",
            JSON,
            "{\"a\":1}",
            "is not of type \"string\"",
        ),
        (
            "PUT /things/7",
            JSON,
            "{\"a\":\"b\",\"c\":1}",
            "'c' was unexpected",
        ),
        (
            "PUT /things/7",
            SIGNED,
            "{\"a\":\"b\"}",
            "a body of the media type \"\" is not described",
        ),
    ];
    for (head, fields, body, rule) in cases {
        let provider = Provider::start(api(), rules.clone()).await;

        let (status, _) = send(&provider, head, fields, body).await;

        let violations = provider.violations();
        assert_eq!(
            (status, violations.len()),
            (400, 1),
            "{head}: {violations:?}"
        );
        assert!(violations[0].contains(rule), "{head}: {violations:?}");
    }
}
