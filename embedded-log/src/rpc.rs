//! The gRPC services, one file per verb.
//!
//! - `append`, `batch_append`, `delete` (soft delete and tombstone) — writes
//! - `read` — which read is asked for; `counted` and `subscribe` — the two kinds of it
//! - `server_features`, `gossip` — what a client asks on connecting; `unimplemented` — what is not here
//! - `wire` — between messages and our types; `refusal` — between errors and statuses

mod append;
mod batch_append;
mod counted;
mod delete;
mod gossip;
mod read;
mod refusal;
mod server_features;
mod subscribe;
mod unimplemented;
mod wire;

use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use self::gossip::Node;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::server_features::Features;
pub(crate) use self::unimplemented::unimplemented;
use crate::proto::streams::streams_server::Streams;
use crate::proto::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, TombstoneReq, TombstoneResp,
};
use crate::store::Store;

/// The `Streams` service over one store.
pub(crate) struct StreamsService {
    pub(crate) store: Store,
}

#[tonic::async_trait]
impl Streams for StreamsService {
    type ReadStream = BoxStream<'static, Result<ReadResp, Status>>;
    type BatchAppendStream = BoxStream<'static, Result<BatchAppendResp, Status>>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        Ok(Response::new(read::read(&self.store, request.into_inner()).await?))
    }

    async fn append(
        &self,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<Response<AppendResp>, Status> {
        append::append(&self.store, request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        delete::delete(&self.store, request.into_inner()).await.map(Response::new)
    }

    async fn tombstone(
        &self,
        request: Request<TombstoneReq>,
    ) -> Result<Response<TombstoneResp>, Status> {
        delete::tombstone(&self.store, request.into_inner()).await.map(Response::new)
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Ok(Response::new(batch_append::batch_append(self.store.clone(), request.into_inner())))
    }
}
