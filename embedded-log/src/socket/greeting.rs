//! The time limit for the first bytes of the protocol.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::prompt::PromptStream;

/// What every client of HTTP/2 says first: `PRI * HTTP/2.0`, two line breaks, `SM`, two more.
const PREFACE_BYTES: usize = 24;

/// A connection as the protocol is spoken on it. Its reads fail when the peer does not begin in time.
pub(crate) struct Connection {
    stream: Either<PromptStream, TlsStream<PromptStream>>,
    /// Gone when the peer has begun.
    awaited: Option<Awaited>,
    /// Given back with the connection.
    _place: OwnedSemaphorePermit,
}

struct Awaited {
    bytes: usize,
    until: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(
        stream: Either<PromptStream, TlsStream<PromptStream>>,
        patience: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let until = Box::pin(tokio::time::sleep(patience));
        let awaited = Some(Awaited { bytes: PREFACE_BYTES, until });
        Self { stream, awaited, _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(awaited) = &mut self.awaited else { return read };
        if read.is_pending() {
            ready!(awaited.until.as_mut().poll(context));
            let problem = "the peer did not begin to speak HTTP/2 in time";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, problem)));
        }
        awaited.bytes = awaited.bytes.saturating_sub(buffer.filled().len() - before);
        if awaited.bytes == 0 {
            self.awaited = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
