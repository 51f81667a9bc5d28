//! `Gossip`: a cluster of one, which leads.

use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::proto::Empty;
use crate::proto::event_store::client::{Uuid as WireUuid, uuid::Value};
use crate::proto::gossip::gossip_server::Gossip;
use crate::proto::gossip::member_info::VNodeState;
use crate::proto::gossip::{ClusterInfo, EndPoint, MemberInfo};

/// The one member. Clients that discover are told to come to its address.
pub(crate) struct Node {
    instance_id: Uuid,
    host: String,
    port: u16,
}

impl Node {
    pub(crate) fn new(host: String, port: u16) -> Self {
        Self { instance_id: Uuid::new_v4(), host, port }
    }
}

#[tonic::async_trait]
impl Gossip for Node {
    async fn read(&self, _request: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        const TICKS_PER_SECOND: i64 = 10_000_000;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
        let endpoint = EndPoint { address: self.host.clone(), port: u32::from(self.port) };
        let member = MemberInfo {
            instance_id: Some(WireUuid {
                value: Some(Value::String(self.instance_id.to_string())),
            }),
            time_stamp: seconds.saturating_mul(TICKS_PER_SECOND),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(endpoint),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}
