//! HTTP in, commands out: the write side
