//! Whether a control-plane is there and believes us.

use std::time::Duration;

use proto::fabric::v1 as wire;
use proto::fabric::v1::config_service_client::ConfigServiceClient;
use tonic::Code;

use crate::Channel;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Asks for nothing, and so changes nothing.
///
/// # Errors
/// One sentence.
pub async fn reach(channel: Channel) -> Result<(), String> {
    let mut client = ConfigServiceClient::new(channel);
    let nothing = wire::NoteKeyUsesRequest {
        key_ids: Vec::new(),
    };
    match tokio::time::timeout(ANSWER_WITHIN, client.note_key_uses(nothing)).await {
        Ok(Ok(_)) => Ok(()),
        // It knows who we are: a role that has nothing to ask here.
        Ok(Err(status)) if status.code() == Code::PermissionDenied => Ok(()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err("it does not answer in time".to_owned()),
    }
}
