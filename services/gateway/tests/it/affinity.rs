//! Which calls stay with one worker, by what their connector is.

use domain::ConnectorKind;
use fabric::Affinity;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_hosted_server_is_one_workers_and_a_remote_one_each_callers() {
    let rig = Rig::new();
    let hosted = ConnectorKind::HostedMcp {
        command: vec!["npx".to_owned()],
        working_directory: None,
    };
    let native = ConnectorKind::Native {
        catalog: "github".to_owned(),
        base_url: None,
    };
    let remote = ConnectorKind::RemoteMcp {
        url: "http://127.0.0.1:1/".parse().unwrap(),
    };
    for (kind, affinity) in [
        (native, Affinity::None),
        (remote, Affinity::Principal),
        (hosted, Affinity::Connector),
    ] {
        rig.source.change("acme", |config| {
            config.connectors[0].connector.kind = kind;
        });

        rig.modern("tools/call", json!({"name": "echo", "arguments": {}}))
            .await;

        let calls = rig.worker.take_calls();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].affinity, affinity);
    }
}
