//! Messages and service traits generated from `proto/*.proto`; `README.md` says how to regenerate.
//! `codec` is how they are sent.

// By its path, so that tests can include this file.
#[path = "proto/codec.rs"]
pub(crate) mod codec;

macro_rules! generated {
    ($file:literal) => {
        include!(concat!("proto/", $file));
    };
}

#[allow(
    dead_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::wildcard_enum_match_arm,
    reason = "generated code keeps the generator's habits and holds messages we never send"
)]
pub(crate) mod google {
    pub mod rpc {
        generated!("google.rpc.rs");
    }
}

#[allow(
    dead_code,
    unreachable_pub,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "generated code keeps the generator's habits and holds messages we never send"
)]
pub(crate) mod event_store {
    pub mod client {
        generated!("event_store.client.rs");

        pub mod streams {
            generated!("event_store.client.streams.rs");
        }
        pub mod gossip {
            generated!("event_store.client.gossip.rs");
        }
        pub mod server_features {
            generated!("event_store.client.server_features.rs");
        }
    }
}

pub(crate) use event_store::client::{Empty, StreamIdentifier, gossip, server_features, streams};
