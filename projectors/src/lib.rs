//! Events in, SQL out: the read models
