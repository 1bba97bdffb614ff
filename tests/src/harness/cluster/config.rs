//! The configuration files of the roles.

use super::{Cluster, Member};

impl Cluster {
    pub(super) fn configure(&self) {
        for (member, fabric) in self.control_planes.iter().zip(&self.fabric) {
            self.configure_control_plane(member, *fabric);
        }
        for member in &self.workers {
            self.configure_worker(member, None);
        }
        for member in &self.gateways {
            self.configure_gateway(member);
        }
    }

    fn configure_control_plane(&self, member: &Member, fabric: u16) {
        let nats = self.servers.nats.url();
        let toml = format!(
            r#"
grpc_listen = "127.0.0.1:0"
fabric_listen = "127.0.0.1:{fabric}"
database_url_file = "database.url"
root_key_file = "root.key"
admin_key_file = "admin.key"
[nats]
servers = ["{nats}"]
"#
        );
        configure(member, &toml);
    }

    pub(super) fn configure_worker(&self, member: &Member, advertise: Option<&str>) {
        let advertise = advertise.map(|address| format!("advertise = \"{address}\""));
        let toml = format!(
            r#"
{node}
{advertise}
[egress]
allow = ["127.0.0.0/8"]
"#,
            node = self.node(member),
            advertise = advertise.unwrap_or_default(),
        );
        configure(member, &toml);
    }

    fn configure_gateway(&self, member: &Member) {
        let (node, redis) = (self.node(member), self.servers.redis.url());
        configure(member, &format!("{node}[redis]\nnodes = [\"{redis}\"]\n"));
    }

    /// What a role has that follows control-planes.
    fn node(&self, member: &Member) -> String {
        let (control_planes, name) = (self.control_plane_list(), member.name());
        format!("control_planes = [{control_planes}]\nstate_dir = \"{name}.state\"\n")
    }

    fn control_plane_list(&self) -> String {
        let quoted = self
            .fabric
            .iter()
            .map(|port| format!("\"127.0.0.1:{port}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }
}

/// Writes the configuration of a process: where it listens, `toml`, and mutual TLS with the
/// certificates that `turnbuckle certs dev` made.
fn configure(member: &Member, toml: &str) {
    let (role, listen, admin) = (member.role(), member.listen, member.admin);
    member.write_config(&format!(
        r#"
listen = "127.0.0.1:{listen}"
admin_listen = "127.0.0.1:{admin}"
{toml}
[trust]
ca = "certs/ca.pem"
cert = "certs/{role}-dev.pem"
key = "certs/{role}-dev-key.pem"
"#
    ));
}
