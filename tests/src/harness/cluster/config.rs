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
        member.write_config(&format!(
            r#"
listen = "127.0.0.1:{listen}"
grpc_listen = "127.0.0.1:0"
fabric_listen = "127.0.0.1:{fabric}"
admin_listen = "127.0.0.1:{admin}"
database_url_file = "database.url"
root_key_file = "root.key"
admin_key_file = "admin.key"
[nats]
servers = ["{nats}"]
{trust}
"#,
            listen = member.listen,
            admin = member.admin,
            nats = self.servers.nats.url(),
            trust = trust("control-plane"),
        ));
    }

    pub(super) fn configure_worker(&self, member: &Member, advertise: Option<&str>) {
        let advertise = advertise.map(|address| format!("advertise = \"{address}\""));
        member.write_config(&format!(
            r#"
listen = "127.0.0.1:{listen}"
admin_listen = "127.0.0.1:{admin}"
control_planes = [{control_planes}]
state_dir = "{name}.state"
{advertise}
[egress]
allow = ["127.0.0.0/8"]
{trust}
"#,
            listen = member.listen,
            admin = member.admin,
            control_planes = self.control_plane_list(),
            name = member.name(),
            advertise = advertise.unwrap_or_default(),
            trust = trust("worker"),
        ));
    }

    fn configure_gateway(&self, member: &Member) {
        member.write_config(&format!(
            r#"
listen = "127.0.0.1:{listen}"
admin_listen = "127.0.0.1:{admin}"
control_planes = [{control_planes}]
state_dir = "{name}.state"
[redis]
nodes = ["{redis}"]
{trust}
"#,
            listen = member.listen,
            admin = member.admin,
            control_planes = self.control_plane_list(),
            name = member.name(),
            redis = self.servers.redis.url(),
            trust = trust("gateway"),
        ));
    }

    fn control_plane_list(&self) -> String {
        let quoted = self
            .fabric
            .iter()
            .map(|port| format!("\"127.0.0.1:{port}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }
}

/// Mutual TLS with the certificates that `turnbuckle certs dev` made.
fn trust(role: &str) -> String {
    format!(
        r#"[trust]
ca = "certs/ca.pem"
cert = "certs/{role}-dev.pem"
key = "certs/{role}-dev-key.pem"
"#
    )
}
