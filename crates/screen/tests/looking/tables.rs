//! Tables of the past are those that a simulation has that ends then.

use proptest::prelude::*;
use screen::past::WINDOW;
use screen::{Past, Rows, Script};
use sim::view::View;
use sim::{Bounds, Span, Time};

use crate::room::{Played, press, shown};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn tables_at_a_time_are_those_of_a_fresh_simulation_until_then(walk in prop::collection::vec((0_u64..8_000_000_000, any::<bool>(), 0_usize..7), 1..6)) {
        let played = Played::room();
        let recording = played.record(Time::ZERO + Span::seconds(8));
        let view = View::new(&recording.world().cloud.simulator);
        let rows = Rows::new(&view);
        let mut past = Past::new(&played);
        for (nanoseconds, on_event, node) in walk {
            let row = rows.at_time(Time(nanoseconds));
            let time = if on_event { rows.time(row) } else { Time(nanoseconds) };
            let node = recording.world().cloud.simulator.nodes().nth(node).unwrap();
            past.want(node, time, (0..row).rev().map(|row| rows.time(row)));
            while !past.work(37) {}
            // With a trace, where the past is played without one: recording changes nothing.
            let mut fresh = played.begin(Bounds::default()).unwrap();
            prop_assert!(fresh.advance(time, 1_000_000));
            let wanted = fresh.world().cloud.simulator.inspect(node);
            prop_assert_eq!(past.tables(node, time).unwrap(), wanted.as_slice());
        }
    }
}

#[test]
fn steps_back_share_one_performance() {
    Played::room().look(true, |screen| {
        press(screen, "<tab><tab><tab><end>");
        shown(screen, 80, 24);
        let begun = screen.replays();
        let steps = screen.rows().len().min(WINDOW / 2);
        assert!(steps > 50, "{steps}");
        // The node whose tables are seen is the same all the way.
        press(screen, "<enter>");
        for _ in 0..steps {
            press(screen, "h");
            shown(screen, 80, 24);
        }
        assert!(screen.replays() <= begun + 1, "{} for {steps} steps back", screen.replays() - begun);
    });
}

#[test]
fn nothing_is_played_again_for_tables_that_nobody_sees() {
    Played::room().look(true, |screen| {
        press(screen, "llllhhh");
        shown(screen, 80, 24);
        assert_eq!(screen.replays(), 0);
        shown(screen, 120, 40);
        assert_eq!(screen.replays(), 1, "there is room for them here");
    });
}

#[test]
fn the_bytes_of_a_field_are_those_that_say_its_value() {
    let played = Played::room();
    let recording = played.record(Time::ZERO + Span::seconds(8));
    let view = View::new(&recording.world().cloud.simulator);
    let (mut seen, mut checked) = (std::collections::BTreeSet::new(), 0);
    for event in view.events().iter().filter(|event| event.frame != sim::FrameId::NONE) {
        let bytes = view.bytes(event.frame);
        for unit in sim::view::unit::units(bytes, view.framing(event.frame)) {
            for field in &unit.fields {
                let own = &bytes[screen::fields::place(&unit, field.name)];
                let number = own.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
                let dotted = own.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
                let colons = own.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
                let said = field.value.split([' ', '(']).next().unwrap_or_default();
                let is_number = matches!(field.name, "sequence" | "acknowledgement" | "window" | "identification" | "TTL" | "total length" | "identifier" | "sequence number" | "source port" | "destination port" | "operation" | "code");
                match field.name {
                    "source" | "destination" if unit.protocol == "ipv4" => assert_eq!(said, dotted),
                    "sender" | "target" => assert_eq!(said, dotted),
                    "source" | "destination" | "sender MAC" | "target MAC" => assert_eq!(said, colons),
                    "checksum" | "header checksum" => assert_eq!(said, format!("{number:#06x}")),
                    _ if is_number => assert_eq!(said, number.to_string(), "{} {}", unit.protocol, field.name),
                    _ => continue,
                }
                checked += 1;
                seen.insert((unit.protocol, field.name));
            }
        }
    }
    assert!(checked > 200 && seen.len() >= 20, "{checked}, {seen:?}");
}
