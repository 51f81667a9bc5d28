//! Every size the server bounds, in one place. The unit is the last word of the name.

/// Data, metadata and type of one event together; past it an append is refused.
pub(crate) const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// All events of one append as they are stored; past it the append is refused.
pub(crate) const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One gRPC message. Well above [`APPEND_BYTES_MAX`], so that an append that is somewhat too large
/// gets its own answer and not a transport error.
pub(crate) const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The name of a stream.
pub(crate) const STREAM_NAME_BYTES_MAX: usize = 1024;
/// The type of an event.
pub(crate) const EVENT_TYPE_BYTES_MAX: usize = 1024;

/// Appends waiting for the writer; the next one waits up to [`ADMISSION_SECONDS_MAX`].
pub(crate) const QUEUE_WRITES_MAX: usize = 4096;
/// Bytes of appends between admission and answer.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an append may wait for room in the queue before it is refused.
pub(crate) const ADMISSION_SECONDS_MAX: u64 = 5;
/// Appends that share one sync of the disk.
pub(crate) const COMMIT_WRITES_MAX: usize = 1024;
/// Bytes that share one sync of the disk.
pub(crate) const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends of one `BatchAppend` call between request and answer.
pub(crate) const BATCH_IN_FLIGHT_MAX: usize = 1024;
/// Appends of one `BatchAppend` call of which only some chunks have arrived.
pub(crate) const BATCH_PARTIAL_MAX: usize = 8;

/// Events in one page of a read.
pub(crate) const PAGE_EVENTS_MAX: usize = 512;
/// Bytes in one page of a read, in memory; one event more may exceed it. Larger ones gain next to
/// nothing, and those who wait for their turn to read wait longer.
pub(crate) const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes in the pages of all readers. A page gets no more than its share of what is free of them...
pub(crate) const PAGES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// ...but this much in any case: slow clients keep their pages for long, and others must get on.
pub(crate) const PAGE_BYTES_MIN: usize = 16 * 1024;
/// Pages read from the disk at a time; each takes a thread. A page's share is one in so many.
pub(crate) const PAGES_READ_MAX: usize = 16;
/// Reads and subscriptions at a time.
pub(crate) const READERS_MAX: usize = 4096;
/// Events looked at for one page of a filtered read.
pub(crate) const PAGE_CONSIDERED_MAX: usize = 2048;

/// Streams of which the writer keeps in mind where they end, twice (two generations).
pub(crate) const HEADS_GENERATION_MAX: usize = 16 * 1024;
/// Event ids kept to recognise a repeated append that states no revision, twice.
pub(crate) const RECENT_IDS_GENERATION_MAX: usize = 32 * 1024;
/// Records read back from the end of the log at start, to refill the recent ids and check the tail.
pub(crate) const TAIL_RECORDS_MAX: usize = 4096;

/// Room a disk that was full must have again before the log takes writes: what the buffers below may
/// take when they are flushed, and some more.
pub(crate) const ROOM_BYTES_MIN: usize = 64 * 1024 * 1024;
/// How often at most a full disk is looked at again.
pub(crate) const ROOM_CHECK_SECONDS_MIN: u64 = 1;

/// Blocks of the store kept in memory.
pub(crate) const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Records not yet flushed from memory into a table.
pub(crate) const RECORDS_BUFFER_BYTES: u64 = 16 * 1024 * 1024;
/// Index rows not yet flushed from memory into a table.
pub(crate) const INDEX_BUFFER_BYTES: u64 = 8 * 1024 * 1024;
/// Full journals on disk before they must be flushed away. With the one being written it is what a
/// start after a kill has to read again.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A log that is closed with more than this in its journals empties them, so that the next start has
/// nothing to read again.
pub(crate) const JOURNAL_BYTES_KEPT_MAX: u64 = 1024 * 1024;
/// How long a close waits for that.
pub(crate) const FLUSH_SECONDS_MAX: u64 = 20;
/// Tables of streams beside the large ones before they are merged into those. The engine slows writes
/// down at 20.
pub(crate) const STREAMS_TABLES_MAX: u8 = 12;
/// Records that are compressed together.
pub(crate) const RECORDS_BLOCK_BYTES: u32 = 16 * 1024;

/// A filter's pattern or prefix.
pub(crate) const FILTER_BYTES_MAX: usize = 8 * 1024;
/// Prefixes in one filter.
pub(crate) const FILTER_PREFIXES_MAX: usize = 256;
/// Steps one regular expression may take on one name.
pub(crate) const FILTER_STEPS_MAX: usize = 100_000;

/// Connections at a time; the next one is turned away.
pub(crate) const CONNECTIONS_MAX: usize = 4096;
/// Of the files that the process may open, the share that connections may take. The store must never
/// fail to open one of its own: it would take no more writes.
pub(crate) const CONNECTIONS_FILES_SHARE: usize = 2;
/// And the share that the store keeps open of its tables.
pub(crate) const TABLES_FILES_SHARE: usize = 4;
/// Tables that the store keeps open at most.
pub(crate) const TABLES_OPEN_MAX: usize = 900;
/// How long a peer may take until it has begun to speak the protocol, and for the handshake of TLS
/// before.
pub(crate) const GREETING_SECONDS_MAX: u64 = 5;
/// Calls at a time on one connection.
pub(crate) const CALLS_PER_CONNECTION_MAX: u32 = 4096;
/// What one call holds of its answers until its client takes them. Wider gains nothing where the
/// client is quick; where it is slow, this much is kept for each of its calls.
pub(crate) const CALL_ANSWERS_BYTES_MAX: usize = 32 * 1024;
/// How long a stop waits for calls to end before it closes the store under them.
pub(crate) const STOP_SECONDS_MAX: u64 = 5;
/// Backups and questions for statistics at a time.
pub(crate) const CONTROL_CALLS_MAX: usize = 4;
