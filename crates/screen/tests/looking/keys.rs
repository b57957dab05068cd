//! What keys do.

use proptest::prelude::*;
use screen::keys::LIST;
use screen::{Ask, Key, Rows, Screen};
use sim::view::View;
use sim::{Span, Time, Verb};

use crate::room::{Played, press, shown};

fn any_key() -> impl Strategy<Value = Key> {
    let named = [Key::Up, Key::Down, Key::Left, Key::Right, Key::PageUp, Key::PageDown, Key::Home, Key::End, Key::Enter, Key::Escape, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete];
    let words: Vec<char> = "?hjkltTdDcCnNfabrR+-:upzogG/q0123456789 msarp(drop)µ허".chars().collect();
    prop_oneof![3 => prop::sample::select(named.to_vec()), 5 => prop::sample::select(words).prop_map(Key::Char)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_keys_at_no_size_end_it(keys in prop::collection::vec((any_key(), 0_u16..130, 0_u16..45), 1..40)) {
        Played::room().look(true, |screen| {
            for (key, columns, lines) in &keys {
                screen.press(*key);
                screen.tick(std::time::Duration::from_millis(300));
                shown(screen, (*columns).max(1), (*lines).max(1));
                assert!(screen.state().cursor < screen.rows().len().max(1));
            }
        });
    }

    #[test]
    fn a_step_on_and_a_step_back_lead_to_where_one_was(row in 0_usize..200, keys in prop::collection::vec(any_key(), 0..8)) {
        Played::room().look(true, |screen| {
            for key in keys {
                screen.press(key);
            }
            // Out of whatever was opened, and onto an event that has a next one.
            press(screen, "<esc><esc><esc><home>");
            (0..row).for_each(|_| press(screen, "l"));
            if screen.state().cursor + 1 >= screen.rows().len() {
                return;
            }
            press(screen, "h<right>");
            if screen.state().cursor + 1 >= screen.rows().len() {
                return;
            }
            let picture = shown(screen, 80, 24);
            let before = screen.state().clone();
            press(screen, "<right><left>");
            assert_eq!(shown(screen, 80, 24), picture);
            assert_eq!(screen.state(), &before);
        });
    }
}

/// The event that is looked at.
fn at(screen: &Screen<'_>) -> (Verb, Time) {
    let event = screen.rows().event(screen.state().cursor);
    (event.verb, screen.state().clock)
}

#[test]
fn drops_and_collisions_are_jumped_to_and_back() {
    Played::room().look(true, |screen| {
        press(screen, "c");
        let (first, collision) = (screen.state().cursor, at(screen));
        assert_eq!(collision.0, Verb::Collide);
        press(screen, "c");
        assert!(at(screen).0 == Verb::Collide && screen.state().cursor > first, "both stations see it");
        press(screen, "C");
        assert_eq!((screen.state().cursor, at(screen)), (first, collision));
        press(screen, "<home>cd");
        assert_eq!(at(screen).0, Verb::Drop);
        press(screen, "DDDD");
        let said = screen.state().notice.as_ref().map(|notice| notice.text.clone());
        assert_eq!(said.as_deref(), Some("no drop before this"));
    });
}

#[test]
fn a_time_is_gone_to_as_it_is_written_and_from_here() {
    let ms = |n| Time::ZERO + Span::milliseconds(n);
    Played::room().look(true, |screen| {
        for (typed, clock) in [("t20ms", ms(20)), ("t+5ms", ms(25)), ("t-10 ms", ms(15)), ("t1h", ms(8_000)), ("t1.5 µs", Time(1_500)), ("t-1s", Time::ZERO)] {
            press(screen, typed);
            press(screen, "<enter>");
            assert_eq!(screen.state().clock, clock, "{typed}");
            let row = screen.state().cursor;
            assert!(row == 0 || screen.rows().time(row) <= clock, "{typed}");
            assert!(row + 1 == screen.rows().len() || screen.rows().time(row + 1) > clock, "{typed}");
        }
        press(screen, "t20 apples<enter>");
        assert!(screen.state().notice.as_ref().unwrap().is_error);
        assert_eq!(screen.state().prompt.as_ref().unwrap().text(), "20 apples", "what was typed stays, to be mended");
        press(screen, "<bs><bs><bs><bs><bs><bs><bs>ms<enter>");
        assert_eq!((screen.state().clock, &screen.state().prompt), (ms(20), &None));
    });
}

#[test]
fn words_are_found_and_listed() {
    Played::room().look(true, |screen| {
        press(screen, "/node r-1 and arp<enter>");
        let first = screen.state().cursor;
        assert!(first > 0);
        press(screen, "n");
        assert!(screen.state().cursor > first);
        press(screen, "N");
        assert_eq!(screen.state().cursor, first);
        let (all, clock) = (screen.rows().len(), screen.state().clock);
        press(screen, "fnode r-1<enter>");
        assert!(screen.rows().len() < all && screen.state().clock == clock);
        press(screen, "f and bogus:<enter>");
        let notice = screen.state().notice.clone().unwrap();
        assert!(notice.is_error && notice.text.contains("^^^^^"), "{}", notice.text);
        press(screen, "<esc>a");
        assert!(screen.state().is_all);
    });
}

#[test]
fn a_run_stops_at_a_breakpoint_and_at_the_end() {
    Played::room().look(true, |screen| {
        press(screen, "bno-such<enter>");
        assert!(screen.state().notice.as_ref().unwrap().text.contains("no reason"));
        press(screen, "<esc>bhandshake, echo-reply<enter>r");
        for _ in 0..10_000 {
            screen.tick(std::time::Duration::from_millis(100));
        }
        assert!(!screen.state().is_running);
        let said = screen.state().notice.clone().unwrap().text;
        assert!(said.starts_with("breakpoint: echo-reply"), "{said}");
        let here = screen.state().cursor;
        press(screen, "R");
        assert!(screen.state().cursor > here);
        press(screen, "b<bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><bs><enter>+++++++++++r");
        for _ in 0..1_000 {
            screen.tick(std::time::Duration::from_millis(100));
        }
        assert!(!screen.state().is_running && screen.state().cursor + 1 == screen.rows().len());
        press(screen, "R");
        assert!(screen.state().notice.as_ref().unwrap().text.starts_with("no breakpoints"));
    });
}

#[test]
fn an_action_is_asked_for_at_the_time_that_is_looked_at_and_its_refusal_loses_nothing() {
    Played::room().look(true, |screen| {
        press(screen, "t20ms<enter>:ping pc-9 pc-1");
        let ask = screen.press(Key::Enter);
        assert_eq!(ask, Some(Ask::Play { at: Time::ZERO + Span::milliseconds(20), text: "ping pc-9 pc-1".to_owned() }));
        screen.refuse("`pc-9` is nobody\nhint: there are: pc-1");
        let shown = shown(screen, 80, 24);
        assert!(shown.contains("hint: there are: pc-1") && shown.ends_with(":ping pc-9 pc-1"), "{shown}");
        screen.close_prompt();
        press(screen, ":<up>");
        assert_eq!(screen.state().prompt.as_ref().unwrap().text(), "ping pc-9 pc-1", "what was typed before comes back");
        press(screen, "<esc>");
        assert_eq!((screen.press(Key::Char('u')), screen.press(Key::Char('q'))), (Some(Ask::Undo), Some(Ask::Quit)));
    });
}

#[test]
fn every_key_that_does_something_is_in_the_list_of_keys() {
    let listed: String = LIST.iter().flat_map(|(keys, _)| keys.split_whitespace()).filter(|key| key.chars().count() == 1).collect();
    Played::room().look(true, |screen| {
        for c in (' '..='~').filter(|c| !listed.contains(*c) && !" =".contains(*c)) {
            press(screen, "<esc><home>ll");
            let before = screen.state().clone();
            assert_eq!(screen.press(Key::Char(c)), None, "{c}");
            assert_eq!(screen.state(), &before, "{c}");
        }
        for c in listed.chars().filter(|c| c.is_ascii()) {
            press(screen, "<esc><esc><home>cl");
            let before = screen.state().clone();
            let ask = screen.press(Key::Char(c));
            assert!(ask.is_some() || screen.state() != &before, "{c}");
            press(screen, "<esc><esc>");
        }
    });
}

#[test]
fn rows_are_in_the_order_of_their_times() {
    for played in [Played::room(), Played::shop()] {
        let performance = played.record(Time::ZERO + Span::seconds(8));
        let view = View::new(&performance.world().cloud.simulator);
        let mut rows = Rows::new(&view);
        for is_all in [false, true] {
            rows.choose(is_all, &sim::view::Filter::All);
            assert!(rows.len() > 10 && (1..rows.len()).all(|row| rows.time(row - 1) <= rows.time(row)), "{}", played.name);
        }
    }
}
