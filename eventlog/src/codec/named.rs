//! Reading a body as serde wants it, with the name of the event before it, in one go: the most of a
//! history is read that way.

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess};
use serde_json::Deserializer;
use serde_json::de::SliceRead;

/// As `{"type": <name>, "data": <body>}`.
pub(super) fn read<E: DeserializeOwned>(name: &str, body: &[u8]) -> serde_json::Result<E> {
    let mut body = Deserializer::from_slice(body);
    let named = Named { name, body: &mut body, next: Part::Name };
    let event = E::deserialize(MapAccessDeserializer::new(named))?;
    body.end()?;
    Ok(event)
}

struct Named<'a, 'de> {
    name: &'a str,
    body: &'a mut Deserializer<SliceRead<'de>>,
    next: Part,
}

#[derive(Clone, Copy)]
enum Part {
    Name,
    Body,
    End,
}

impl<'de> MapAccess<'de> for Named<'_, 'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let key = match self.next {
            Part::Name => "type",
            Part::Body => "data",
            Part::End => return Ok(None),
        };
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        match self.next {
            Part::Name => {
                self.next = Part::Body;
                seed.deserialize(self.name.into_deserializer())
            }
            Part::Body | Part::End => {
                self.next = Part::End;
                seed.deserialize(&mut *self.body)
            }
        }
    }
}
