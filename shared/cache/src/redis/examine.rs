//! A look at Redis from outside, for who sets it up. Nothing is changed.

use redis::Value;
use tokio::time::timeout;

use super::config::RedisConfig;
use super::keeper::Maker;

/// What a server turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisExamination {
    /// As it writes it.
    pub version: String,
    /// What it does when its memory is full; `noeviction` is what sessions need.
    pub eviction: String,
    /// `master` is what can be written to.
    pub role: String,
}

impl RedisConfig {
    /// Looks at each server that the configuration names.
    ///
    /// # Errors
    /// One sentence: the configuration is wrong, or a server does not answer.
    pub async fn examine(&self) -> Result<Vec<RedisExamination>, String> {
        let checked = self.check().map_err(|error| error.to_string())?;
        let maker = Maker::new(checked, self.timeout).map_err(|error| error.to_string())?;
        let clients = maker.all();
        let mut found = Vec::with_capacity(clients.len());
        for (turn, client) in clients.iter().enumerate() {
            let looking = async {
                let mut connection = client.get_multiplexed_async_connection().await?;
                let sections = redis::cmd("INFO").arg("everything").to_owned();
                connection.send_packed_command(&sections).await
            };
            let node = format!("server {} (counted from 1)", turn + 1);
            let answer = match timeout(self.timeout * 2, looking).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    return Err(format!("{node}: {}", super::link::describe(&error)));
                }
                Err(_) => return Err(format!("{node} does not answer in time")),
            };
            found.push(read(&text_of(answer)));
        }
        Ok(found)
    }
}

pub(super) fn text_of(answer: Value) -> String {
    match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        _ => String::new(),
    }
}

fn read(info: &str) -> RedisExamination {
    let said = |name: &str| {
        let line = info.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.trim().to_owned())
        });
        line.unwrap_or_default()
    };
    RedisExamination {
        version: said("redis_version"),
        eviction: said("maxmemory_policy"),
        role: said("role"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_read() {
        let info =
            "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:allkeys-lru\r\n";
        let found = read(info);
        assert_eq!(found.version, "7.0.15");
        assert_eq!(found.eviction, "allkeys-lru");
        assert_eq!(found.role, "master");
    }
}
