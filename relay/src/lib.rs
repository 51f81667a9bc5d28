//! Events in, NATS JetStream out: the public contract
