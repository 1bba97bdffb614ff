//! A private Postgres, started from the installed programs.
//!
//! One server serves all tests of a run: nextest starts a process for each test, so the first one
//! that asks starts the server and the others join it. A watchdog stops it, and removes its
//! folder, when the run's process is gone, whatever the reason. The server listens on a socket in
//! that folder alone, and compares text by the rules of language, as production databases do.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_DEADLINE: Duration = Duration::from_secs(60);
const OLDEST_VERSION: u32 = 15;
mod pgbouncer;
mod private;

pub use pgbouncer::PgBouncer;
pub use private::Private;

/// The role that applications connect as: as in production it owns its database and is no
/// superuser, since those see past row-level security.
const ROLE: &str = "turnbuckle";
const INSTALL: &str = "install it: apt-get install postgresql-15 (or newer)";

/// Makes and runs the server, and takes it and its folder away when a process is gone. Arguments:
/// that process, the folder, and where the programs are.
const WATCHDOG: &str = r#"
watched=$1 folder=$2 programs=$3
alive() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }
{
    "$programs/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --no-sync \
        --locale=C --locale-provider=icu --icu-locale=und &&
    exec "$programs/postgres" -D data -k "$folder" -c listen_addresses= -c max_connections=300 \
        -c shared_buffers=64MB -c dynamic_shared_memory_type=mmap \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off
} >server.log 2>&1 </dev/null &
server=$!
while alive "$watched"; do
    kill -0 "$server" 2>/dev/null || touch failed
    sleep 0.2
done
while kill -QUIT "$server" 2>/dev/null; do sleep 0.1; done
rm -rf "$folder"
"#;

/// An empty database of this test's own; dropped with this value.
pub struct Database {
    server: &'static Server,
    name: String,
}

/// Makes an empty database on the run's server, which is started if need be.
///
/// # Panics
/// When no Postgres is installed or it does not start; the message says what to do.
pub fn database() -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = Server::of_this_run();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{count}", std::process::id());
    server.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
    Database { server, name }
}

impl Database {
    /// The address a client connects to.
    pub fn url(&self) -> String {
        let folder = self.server.folder.display();
        format!("postgres://{ROLE}@localhost/{}?host={folder}", self.name)
    }

    /// The address for a role that is above all rules.
    pub fn superuser_url(&self) -> String {
        self.url().replacen(ROLE, "postgres", 1)
    }

    /// Runs statements as superuser and returns what `psql` prints: rows by line, columns parted
    /// by `|`.
    pub fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql)
    }

    /// What the operator's backup holds, made by the plain role as docs/operations.md says.
    pub fn backup(&self) -> String {
        let mut dump = self.as_owner("pg_dump");
        dump.env("PGOPTIONS", "-c turnbuckle.tenant=platform")
            .args(["--enable-row-security", "--no-owner", "--no-privileges"])
            .arg(&self.name);
        output(&mut dump)
    }

    /// Fills an empty database with a backup, as the plain role.
    pub fn restore(&self, backup: &str) {
        let file = tempfile::NamedTempFile::new().expect("temporary files can be made");
        std::fs::write(file.path(), backup).expect("the file is ours");
        let mut psql = self.as_owner("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
            .args(["--single-transaction", "--dbname", &self.name, "--file"])
            .arg(file.path());
        output(&mut psql);
    }

    fn as_owner(&self, program: &str) -> Command {
        let mut command = self.server.client(program);
        command.args(["-U", ROLE]);
        command
    }

    /// Everything in the database, as text; bytes are in hexadecimal. Two dumps of the same data
    /// are equal.
    pub fn dump(&self) -> String {
        let mut dump = self.server.client("pg_dump");
        let text = output(dump.arg("--inserts").arg(&self.name));
        // Newer versions guard their dumps with a random word.
        let is_data =
            |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.split_inclusive('\n').filter(is_data).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut dropdb = self.server.client("dropdb");
        let _ = dropdb
            .args(["--force", "--if-exists"])
            .arg(&self.name)
            .output();
    }
}

/// Where a server of ours lives, and the programs it belongs to.
struct Server {
    folder: PathBuf,
    programs: PathBuf,
}

impl Server {
    fn of_this_run() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::join_or_start(&Run::this()))
    }

    fn join_or_start(run: &Run) -> Self {
        let folder = memory_folder().join(format!("turnbuckle-postgres-{}", run.name));
        let server = Self {
            folder,
            programs: find_programs(),
        };
        match std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&server.folder)
        {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                panic!("cannot make {}: {error}", server.folder.display())
            }
            _ => {}
        }
        let lock = File::open(&server.folder).expect("the folder was made just now");
        lock.lock().expect("folders of our own can be locked");
        if !server.is_ready() {
            server.start(run.process);
        }
        server
    }

    /// To be called by one test of a run at a time.
    #[expect(
        clippy::zombie_processes,
        reason = "the watchdog outlives the test that starts it"
    )]
    fn start(&self, watched: u32) {
        let mut watchdog = Command::new("/bin/sh");
        watchdog
            .args(["-c", WATCHDOG, "postgres-watchdog"])
            .arg(watched.to_string());
        watchdog
            .arg(&self.folder)
            .arg(&self.programs)
            .current_dir(&self.folder);
        if let Some((user, group)) = server_user() {
            chown(&self.folder, Some(user), Some(group)).expect("root may give folders away");
            watchdog.uid(user).gid(group);
        }
        watchdog
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What is done to the test's process group is not done to the server.
            .process_group(0)
            .spawn()
            .expect("every system has a shell");

        let start = Instant::now();
        while !self.is_ready() {
            if start.elapsed() > START_DEADLINE || self.folder.join("failed").exists() {
                let log = std::fs::read_to_string(self.folder.join("server.log"));
                panic!("Postgres does not start:\n{}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.psql("postgres", &format!("CREATE ROLE {ROLE} LOGIN"));
    }

    /// The server writes its state into the eighth line of its pid file.
    fn is_ready(&self) -> bool {
        std::fs::read_to_string(self.folder.join("data/postmaster.pid")).is_ok_and(|text| {
            text.lines()
                .nth(7)
                .is_some_and(|state| state.trim() == "ready")
        })
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        psql.args([
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            database,
            "--command",
            sql,
        ]);
        output(&mut psql)
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .arg("-h")
            .arg(&self.folder)
            .args(["-U", "postgres"]);
        command
    }
}

/// The process whose end ends the server, and a name that its other tests know too.
struct Run {
    process: u32,
    name: String,
}

impl Run {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration to read it through"
    )]
    fn this() -> Self {
        match std::env::var("NEXTEST_RUN_ID") {
            Ok(id) => Self {
                process: parent_id(),
                name: id,
            },
            Err(_) => {
                let process = std::process::id();
                Self {
                    process,
                    name: format!("pid-{process}"),
                }
            }
        }
    }
}

/// A folder in memory where there is one.
fn memory_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let probe = memory.join(format!("turnbuckle-probe-{}", std::process::id()));
    let writable = File::create(&probe).is_ok();
    let _ = std::fs::remove_file(probe);
    if writable {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// The newest installed Postgres.
fn find_programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = debian
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            (version >= OLDEST_VERSION && is_complete(&programs)).then_some((version, programs))
        })
        .max();
    let elsewhere = || {
        let answer = Command::new("pg_config").arg("--bindir").output().ok()?;
        let folder = String::from_utf8(answer.stdout).ok()?;
        Some(PathBuf::from(folder.trim())).filter(|programs| is_complete(programs))
    };
    newest
        .map(|(_, programs)| programs)
        .or_else(elsewhere)
        .unwrap_or_else(|| panic!("this test needs Postgres, and none is installed; {INSTALL}"))
}

fn is_complete(programs: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_dump", "dropdb"]
        .iter()
        .all(|program| programs.join(program).is_file())
}

/// Postgres refuses to run as root; its package brings a user for it.
fn server_user() -> Option<(u32, u32)> {
    let own = std::fs::metadata("/proc/self").map(|metadata| metadata.uid());
    if !matches!(own, Ok(0)) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("every Linux has users");
    let ids = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, user, group, ..] = fields.as_slice() else {
            return None;
        };
        (*name == "postgres").then(|| Some((user.parse().ok()?, group.parse().ok()?)))?
    });
    Some(ids.unwrap_or_else(|| panic!("there is no user `postgres` to run the server; {INSTALL}")))
}

/// Runs a program to its end and returns what it prints.
fn output(command: &mut Command) -> String {
    let program = OsString::from(command.get_program());
    let done = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        panic!("{} failed ({}):\n{said}", program.display(), done.status);
    }
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn databases_are_empty_their_own_and_dropped() {
        let (one, two) = (database(), database());

        one.psql("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('hello')");

        assert_eq!(one.psql("SELECT x, 1 FROM t"), "hello|1\n");
        assert_eq!(
            two.psql("SELECT COUNT(*) FROM pg_tables WHERE tablename = 't'"),
            "0\n"
        );
        assert!(one.dump().contains("hello"));
        let name = one.name.clone();
        drop(one);
        let left = format!("SELECT COUNT(*) FROM pg_database WHERE datname = '{name}'");
        assert_eq!(two.psql(&left), "0\n");
    }

    #[test]
    fn the_server_and_its_folder_go_when_the_run_is_killed() {
        let mut run = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "postgres::tests::starts_a_server_and_waits",
                "--ignored",
            ])
            .arg("--nocapture")
            .env_remove("NEXTEST_RUN_ID")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let folder = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("folder ").map(PathBuf::from))
            .expect("the child names its folder");
        assert!(folder.join("data/postmaster.pid").exists());

        run.kill().unwrap();
        run.wait().unwrap();

        let start = Instant::now();
        while folder.exists() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{} stays",
                folder.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    #[ignore = "the child of the test above"]
    fn starts_a_server_and_waits() {
        let database = database();
        println!("\nfolder {}", database.server.folder.display());
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
}
