use super::*;
use crate::testing::given;

fn told() -> Told<'static> {
    Told {
        event: "evt_1",
        kind: "refund.created",
        created: 1_780_000_000,
        object: "refund",
        id: "re_1",
        payment: Some("pi_1"),
        charge: Some("ch_1"),
    }
}

fn received() -> ProviderNoticeReceived {
    told().read().unwrap().unwrap().1
}

#[test]
fn what_the_provider_tells_is_noted_once_and_as_it_was_first() {
    let noted = || NoticeEvent::ProviderNoticeReceived(received());
    given::<Notice>([]).when(Receive(received())).then([noted()]);
    given::<Notice>([noted()]).when(Receive(received())).then_nothing();
    let other = ProviderNoticeReceived { payment: Some("pi_2".to_owned()), ..received() };
    given::<Notice>([noted()]).when(Receive(other)).then_nothing();
}

#[test]
fn each_kind_of_thing_is_named_where_it_belongs() {
    let of = |object, id| Told { object, id, payment: None, ..told() }.read().unwrap().unwrap().1;
    assert_eq!(of("payment_intent", "pi_9").payment.as_deref(), Some("pi_9"));
    assert_eq!(of("charge", "ch_9").charge.as_deref(), Some("ch_9"));
    assert_eq!(of("refund", "re_9").refund.as_deref(), Some("re_9"));
    assert_eq!(of("dispute", "du_9").dispute.as_deref(), Some("du_9"));
    assert_eq!(received().payment.as_deref(), Some("pi_1"));
}

#[test]
fn what_is_about_nothing_of_ours_is_left_and_what_has_no_proper_name_refused() {
    assert_eq!(Told { object: "customer", id: "cus_1", ..told() }.read(), Ok(None));
    assert_eq!(Told { kind: "charge.succeeded", ..told() }.read(), Ok(None));
    assert_eq!(Told { kind: "a b", ..told() }.read(), Err(InvalidTold::Name("type")));
    for event in ["", "evt 1", "evt-1/..", "evt_\u{e9}", &"e".repeat(256)] {
        assert_eq!(Told { event, ..told() }.read(), Err(InvalidTold::Name("id")), "{event}");
    }
    let payment = Some("pi_1'; drop");
    let wrong = InvalidTold::Name("data.object.payment_intent");
    assert_eq!(Told { payment, ..told() }.read(), Err(wrong));
    assert_eq!(Told { created: i64::MAX, ..told() }.read(), Err(InvalidTold::Time));
}

#[test]
fn whoever_notes_it_does_so_by_the_same_command() {
    let id = |event| Told { event, ..told() }.read().unwrap().unwrap().0;
    assert_eq!(id("evt_1").command(), id("evt_1").command());
    assert_ne!(id("evt_1").command(), id("evt_2").command());
}
