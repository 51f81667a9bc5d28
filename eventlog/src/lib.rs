//! The one door to KurrentDB: execute commands, follow events
