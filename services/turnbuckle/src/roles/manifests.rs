//! The operator's own manifests: a folder that is looked at while the role runs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use catalog::{Catalog, Folder, Look};
use connector_worker::native;
use runtime::{Process, ReadGauge};
use serde::{Deserialize, Serialize};

/// What readiness calls a folder that is not as it should be.
const NAME: &str = "manifests";

/// The section `manifests`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::roles) struct Config {
    /// Holds a `<connector>.toml` for each connector beside the built-in ones. Absent: there are
    /// no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    /// Built-in connectors that a file of the folder may stand for.
    may_replace: BTreeSet<String>,
    /// Between two looks at the folder: 0.1 to 3600 seconds.
    #[serde(with = "runtime::seconds")]
    look_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: None,
            may_replace: BTreeSet::new(),
            look_interval: Duration::from_secs(5),
        }
    }
}

/// The connectors of this process, and where they come from.
pub(in crate::roles) struct Manifests {
    catalog: Arc<Catalog>,
    watched: Option<Watched>,
}

/// A folder, and what was said of it.
struct Watched {
    folder: Folder,
    path: PathBuf,
    interval: Duration,
    counts: Arc<Counts>,
    /// What was wrong at the last look, by file; `""` is the folder itself.
    broken: BTreeMap<String, String>,
    process: Process,
}

/// What metrics tell.
#[derive(Default)]
struct Counts {
    served: AtomicUsize,
    broken: AtomicUsize,
}

impl Manifests {
    /// The catalog as it is now, the folder's manifests in it.
    ///
    /// # Errors
    /// The settings break a rule, or the folder cannot be read. A file in it that cannot be used
    /// is no error: the log and readiness tell of it.
    pub(in crate::roles) fn open(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
        ensure!(
            bounds.contains(&config.look_interval),
            "manifests.look_interval must be from 0.1 to 3600"
        );
        let catalog = Catalog::builtin();
        let Some(path) = &config.folder else {
            return Ok(Self {
                catalog,
                watched: None,
            });
        };
        let may_replace = config.may_replace.iter().cloned();
        let mut watched = Watched {
            folder: Folder::new(path, may_replace, native::check),
            path: path.clone(),
            interval: config.look_interval,
            counts: Arc::default(),
            broken: BTreeMap::new(),
            process: process.clone(),
        };
        watched.measure();
        let found = watched.folder.look(&catalog);
        let found = found.with_context(|| format!("manifests.folder: {}", path.display()))?;
        watched.tell(&found);
        tracing::info!(
            served = found.served,
            broken = found.broken.len(),
            "connectors are also read from {}",
            path.display()
        );
        Ok(Self {
            catalog,
            watched: Some(watched),
        })
    }

    pub(in crate::roles) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// Looks at the folder until the process drains, and hands on which connectors changed.
    pub(in crate::roles) fn keep_fresh<F>(
        self,
        process: &Process,
        changed: impl Fn(BTreeSet<String>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { catalog, watched } = self;
        let Some(watched) = watched else { return };
        let (shutdown, interval) = (process.shutdown.clone(), watched.interval);
        let watched = Arc::new(Mutex::new(watched));
        process.tasks.disposable("manifests", async move {
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.draining() => return Ok(()),
                    () = tokio::time::sleep(interval) => {}
                }
                let (watched, catalog) = (watched.clone(), catalog.clone());
                // Files are read and compiled there.
                let looked = tokio::task::spawn_blocking(move || {
                    watched.lock().expect("no panic while held").look(&catalog)
                });
                let names = looked.await?;
                if !names.is_empty() {
                    changed(names).await;
                }
            }
        });
    }
}

impl Watched {
    /// Looks at the folder once. Returns the connectors that changed.
    fn look(&mut self, catalog: &Catalog) -> BTreeSet<String> {
        match self.folder.look(catalog) {
            Ok(found) => {
                self.tell(&found);
                if !found.changed.is_empty() {
                    let changed = &found.changed;
                    tracing::info!(?changed, "manifests changed: they are in use from now on");
                }
                found.changed
            }
            Err(error) => {
                let path = self.path.display();
                let why = format!("{path} cannot be read: {error}; what it held stays in use");
                let broken = BTreeMap::from([(String::new(), why)]);
                self.say(broken);
                BTreeSet::new()
            }
        }
    }

    fn tell(&mut self, found: &Look) {
        self.counts.served.store(found.served, Ordering::Relaxed);
        self.say(found.broken.clone());
    }

    /// Logs what was not said before, and tells readiness.
    fn say(&mut self, broken: BTreeMap<String, String>) {
        for (file, why) in &broken {
            if self.broken.get(file) != Some(why) {
                tracing::warn!(
                    file,
                    "a manifest cannot be used; where there was one that could, it stays in use: {why}"
                );
            }
        }
        for file in self
            .broken
            .keys()
            .filter(|file| !broken.contains_key(*file))
        {
            tracing::info!(file, "the manifest is well again, or gone");
        }
        self.counts.broken.store(broken.len(), Ordering::Relaxed);
        let readiness = &self.process.readiness;
        match broken.iter().next() {
            None => readiness.recover(NAME),
            Some((_, why)) => {
                let why = why.lines().next().unwrap_or_default();
                let more = broken.len() - 1;
                let text = match more {
                    0 => why.to_owned(),
                    more => format!("{why} (and {more} more files: the log names them)"),
                };
                readiness.degrade(NAME, text);
            }
        }
        self.broken = broken;
    }

    fn measure(&self) {
        let metrics = &self.process.metrics;
        for (name, help, broken) in [
            (
                "manifests_served",
                "Connectors that come from the folder of manifests",
                false,
            ),
            (
                "manifests_broken",
                "Files of the folder of manifests that cannot be used as they are",
                true,
            ),
        ] {
            let counts = self.counts.clone();
            let read = move || {
                let count = if broken {
                    &counts.broken
                } else {
                    &counts.served
                };
                // No folder holds so many that precision is lost.
                f64::from(u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
            };
            metrics.register(name, help, ReadGauge::new(read));
        }
    }
}
