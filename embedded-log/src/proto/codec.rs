//! How messages are put into the frames of HTTP/2.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec, ProstCodec};

/// Bytes of answers that are encoded at a time; a frame takes 16 KiB.
const CHUNK_BYTES: usize = 12 * 1024;
const BUFFER_BYTES: usize = 8 * 1024;

/// The usual codec, that encodes less ahead: of each reader whose client is slow, two or three such
/// chunks wait in memory. By default a chunk is 32 KiB, which is 100 MiB for a thousand readers.
#[derive(Clone, Debug)]
pub(crate) struct SmallChunks<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SmallChunks<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SmallChunks<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, CHUNK_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::default().decoder()
    }
}
