//! What is drawn, at several sizes.

use ratatui_core::style::Color;

use crate::room::{Played, drawn, press, shown};

#[test]
fn a_collision_at_a_hub_is_seen_at_every_size() {
    Played::room().look(true, |screen| {
        press(screen, "c");
        insta::assert_snapshot!("collision_80x24", shown(screen, 80, 24));
        insta::assert_snapshot!("collision_120x40", shown(screen, 120, 40));
        insta::assert_snapshot!("collision_20x5", shown(screen, 20, 5));
    });
}

#[test]
fn a_packet_that_a_group_drops_is_seen_with_the_rule_that_was_missing() {
    Played::shop().look(true, |screen| {
        press(screen, "d");
        insta::assert_snapshot!("group_80x24", shown(screen, 80, 24));
        insta::assert_snapshot!("group_120x40", shown(screen, 120, 40));
        press(screen, "<tab><tab>z<down><down><down><down><down><down><down><down><down><down><down>");
        insta::assert_snapshot!("group_bytes_80x24", shown(screen, 80, 24));
    });
}

#[test]
fn the_tables_of_a_connection_have_its_window_and_its_timeout() {
    Played::room().look(true, |screen| {
        press(screen, "/verb deliver and node pc-3<enter><tab><tab><tab>z");
        let shown = shown(screen, 80, 24);
        assert!(shown.contains("cwnd ") && shown.contains("rto ") && shown.contains("state SYN-RECEIVED"), "{shown}");
        insta::assert_snapshot!("tables_80x24", shown);
    });
}

#[test]
fn domains_and_a_failed_link_are_words_and_not_only_colours() {
    Played::room().look(false, |screen| {
        press(screen, "<end>o");
        let shown = shown(screen, 80, 24);
        assert!(shown.contains("pc-1 host c1") && shown.contains("pc-3 host c2") && shown.contains("link down"), "{shown}");
        press(screen, "o");
        let shown = crate::room::shown(screen, 80, 24);
        assert!(shown.contains("pc-1 host b1") && shown.contains("pc-3 host b2"), "{shown}");
        press(screen, "t30ms<enter>");
        let before = crate::room::shown(screen, 80, 24);
        assert!(!before.contains("link down"), "it worked until 40 ms: {before}");
    });
}

#[test]
fn all_keys_fit_on_a_screen_of_80_by_24() {
    Played::room().look(true, |screen| {
        press(screen, "?");
        insta::assert_snapshot!("keys_80x24", shown(screen, 80, 24));
    });
}

#[test]
fn without_colours_the_same_is_shown_and_no_cell_has_one() {
    let states = ["c", "d", "?", "<tab><tab><tab>", ":ping nobody<enter>"];
    for keys in states {
        let [with, without] = [true, false].map(|colour| {
            Played::room().look(colour, |screen| {
                press(screen, keys);
                let backend = drawn(screen, 80, 24);
                let coloured = backend.buffer().content.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count();
                (shown(screen, 80, 24), coloured)
            })
        });
        assert_eq!(with.0, without.0, "{keys}");
        assert_eq!(without.1, 0, "{keys}");
    }
    let coloured = Played::room().look(true, |screen| drawn(screen, 80, 24).buffer().content.iter().filter(|cell| cell.fg != Color::Reset).count());
    assert!(coloured > 0);
}
