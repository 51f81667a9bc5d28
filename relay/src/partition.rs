//! Into how many streams the public events are divided, and which event goes where.

use uuid::Uuid;

use crate::contract::PublicEvent;
use crate::subject;

/// The usual name of the stream.
pub const STREAM: &str = "TICKETING";
/// More would be more streams than a server wants to keep.
pub const PARTITIONS_MAX: u16 = 256;

/// One of the streams in which the public events are. All events of one ticket or order are in the
/// same one, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    name: String,
    number: u16,
    of: u16,
}

impl Partition {
    /// All partitions of the streams named so; at least one.
    #[must_use]
    pub fn all(name: &str, of: u16) -> Vec<Self> {
        let of = of.clamp(1, PARTITIONS_MAX);
        (0..of).map(|number| Self { name: name.to_owned(), number, of }).collect()
    }

    /// Of its stream. The number of partitions is part of it: streams of another number are other
    /// streams, filled from the beginning of the log.
    #[must_use]
    pub fn stream(&self) -> String {
        if self.of == 1 {
            return self.name.clone();
        }
        format!("{}-{}-{}", self.name, self.of, self.number)
    }

    pub(crate) fn takes(&self, event: &PublicEvent) -> bool {
        partition_of(event.aggregate_id(), self.of) == self.number
    }

    /// What its stream listens to.
    pub(crate) fn listens(&self) -> String {
        if self.of == 1 {
            return subject::ALL.to_owned();
        }
        format!("{}.{}.{}.>", subject::PARTITIONS, self.of, self.number)
    }

    /// Whether the stream has to rename what it takes in, so that subjects are the same in it
    /// however many partitions there are.
    pub(crate) fn renames(&self) -> bool {
        self.of > 1
    }

    /// Where an event is published for this stream to take it in.
    pub(crate) fn subject(&self, event: &PublicEvent) -> String {
        if self.of == 1 {
            return subject::of(event);
        }
        let inner = subject::within(event);
        format!("{}.{}.{}.{inner}", subject::PARTITIONS, self.of, self.number)
    }
}

/// The end of an id is random in every version of UUIDs we use, so its remainder spreads evenly.
fn partition_of(id: Uuid, of: u16) -> u16 {
    let (_, low) = id.as_u64_pair();
    // The remainder is below `of`.
    u16::try_from(low % u64::from(of)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_partition_has_the_plain_name() {
        let all = Partition::all(STREAM, 1);
        assert_eq!(all.iter().map(Partition::stream).collect::<Vec<_>>(), ["TICKETING"]);
        assert_eq!(Partition::all(STREAM, 0), all);
    }

    #[test]
    fn the_number_of_partitions_is_in_the_names_of_their_streams() {
        let names: Vec<_> = Partition::all("T", 3).iter().map(Partition::stream).collect();
        assert_eq!(names, ["T-3-0", "T-3-1", "T-3-2"]);
    }

    /// These are where events lie in streams that are there: they may never change.
    #[test]
    fn an_id_goes_to_the_same_partition_for_ever() {
        let id: Uuid = "0198c0de-0000-7000-8000-00000000000b".parse().unwrap();
        let places: Vec<u16> = [1, 2, 3, 4, 7].map(|of| partition_of(id, of)).into();
        assert_eq!(places, [0, 1, 1, 3, 5]);
    }

    #[test]
    fn ids_spread_evenly() {
        for make in [Uuid::now_v7, Uuid::new_v4] {
            let mut counts = [0_u32; 4];
            for _ in 0..4_000 {
                counts[usize::from(partition_of(make(), 4))] += 1;
            }
            assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        }
    }
}
