//! Commands as they are typed, against a server that is played.

mod approval;
mod client_config;
mod commands;
mod doctor;
mod failures;
mod lint;
mod mcp;
mod nodes;
mod oauth;
mod target;
mod wait;

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use clap::{CommandFactory, FromArgMatches, Parser};
use http::{HeaderMap, StatusCode};
use runtime::{Process, ShutdownTrigger};
use serde_json::Value;

use super::terminal::Terminal;
use super::{ClientCommand, GlobalArgs, execute};

/// The line as `main` reads it.
#[derive(Debug, Parser)]
#[command(name = "turnbuckle")]
struct Line {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: ClientCommand,
}

/// What a command left behind.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect(&self.out)
    }
}

/// The world around a command.
#[derive(Default)]
struct World {
    variables: HashMap<&'static str, &'static str>,
    watched: bool,
    /// What comes on standard input.
    input: &'static str,
    typed: Option<&'static str>,
}

impl World {
    fn with(variables: &[(&'static str, &'static str)]) -> Self {
        Self {
            variables: variables.iter().copied().collect(),
            ..Self::default()
        }
    }

    async fn run(self, words: &[&str]) -> Ran {
        let line = std::iter::once("turnbuckle").chain(words.iter().copied());
        // Nothing of the environment that the tests run in.
        let reader = Line::command().mut_args(|arg| arg.env(None::<&str>));
        let read = reader
            .try_get_matches_from(line)
            .and_then(|m| Line::from_arg_matches(&m));
        let Line { global, command } = match read {
            Ok(line) => line,
            Err(error) => {
                let code = u8::try_from(error.exit_code()).unwrap();
                return Ran {
                    code,
                    out: String::new(),
                    err: error.to_string(),
                };
            }
        };
        let (out, err) = (Buffer::default(), Buffer::default());
        let (variables, typed) = (self.variables, self.typed);
        let mut terminal = Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(self.input.as_bytes()),
            watched: self.watched,
            environment: Box::new(move |name| variables.get(name).map(Into::into)),
            ask_secret: Box::new(move |_| {
                typed
                    .map(str::to_owned)
                    .ok_or_else(|| io::ErrorKind::NotFound.into())
            }),
            ask: Box::new(move |_| Ok(typed.map(str::to_owned))),
        };
        let code = execute(command, &global, &mut terminal).await;
        Ran {
            code,
            out: out.text(),
            err: err.text(),
        }
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request that the played server got.
#[derive(Clone, Debug)]
struct Seen {
    /// `METHOD /path?query`.
    line: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<HashMap<&'static str, Vec<Answer>>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    headers: Vec<(&'static str, &'static str)>,
}

/// A server that answers what it was told to and remembers what it was asked.
struct Server {
    url: String,
    script: Script,
    _trigger: ShutdownTrigger,
}

impl Server {
    async fn start() -> Self {
        let script = Script::default();
        let app = Router::new().fallback(play).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (trigger, process) = Process::new();
        process.tasks.disposable("played server", async move {
            axum::serve(listener, app).await?;
            Ok(())
        });
        Self {
            url,
            script,
            _trigger: trigger,
        }
    }

    /// Answers `METHOD /path` with JSON; several answers for one line come one after the other,
    /// the last for ever.
    fn on(&self, line: &'static str, status: u16, body: &Value) -> &Self {
        self.on_text(line, status, "application/json", &body.to_string())
    }

    fn on_text(
        &self,
        line: &'static str,
        status: u16,
        content_type: &'static str,
        body: &str,
    ) -> &Self {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer {
            status,
            content_type,
            body: body.to_owned(),
            headers: Vec::new(),
        };
        self.script
            .answers
            .lock()
            .unwrap()
            .entry(line)
            .or_default()
            .push(answer);
        self
    }

    /// Gives the last answer to `line` these fields too.
    fn with(&self, line: &'static str, headers: &[(&'static str, &'static str)]) -> &Self {
        let mut answers = self.script.answers.lock().unwrap();
        let last = answers.get_mut(line).and_then(|list| list.last_mut());
        last.unwrap().headers = headers.to_vec();
        drop(answers);
        self
    }

    fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    /// Runs a command with this server's address and a key.
    async fn run(&self, words: &[&str]) -> Ran {
        self.run_in(World::default(), words).await
    }

    async fn run_in(&self, world: World, words: &[&str]) -> Ran {
        let mut words = words.to_vec();
        words.extend(["--url", &self.url, "--api-key", "tb_pa_1_secret"]);
        world.run(&words).await
    }
}

async fn play(State(script): State<Script>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let line = format!("{} {}", parts.method, parts.uri);
    let answer = {
        let mut answers = script.answers.lock().unwrap();
        match answers.get_mut(line.as_str()) {
            Some(list) if list.len() > 1 => list.remove(0),
            Some(list) => list[0].clone(),
            None => Answer {
                status: StatusCode::NOT_IMPLEMENTED,
                content_type: "text/plain",
                body: format!("nobody said what to answer to {line}"),
                headers: Vec::new(),
            },
        }
    };
    script.seen.lock().unwrap().push(Seen {
        line,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body.into()).unwrap()
}
