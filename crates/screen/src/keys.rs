//! Keys, and the list of what each does.

/// A key, as far as the screen knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character, with shift already in it.
    Char(char),
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Tabulator.
    Tab,
    /// Tabulator with shift.
    BackTab,
    /// Deletes to the left.
    Backspace,
    /// Deletes to the right.
    Delete,
    /// Deletes to the beginning of a line that is typed (Ctrl-U).
    DeleteLine,
    /// Deletes the word before the cursor (Ctrl-W).
    DeleteWord,
}

/// What `?` shows: keys and what they do.
pub const LIST: &[(&str, &str)] = &[
    ("→ l  ← h", "one event forward, back"),
    ("PgDn PgUp", "a page forward, back"),
    ("Home g  End G", "the first event, the end"),
    ("t", "to a time: 12ms, or +5ms from here, -1s back"),
    ("d  D", "next, previous drop that loses something"),
    ("c  C", "next, previous collision"),
    ("/  n  N", "find by filter words; next, previous match"),
    ("f", "list only what filter words want; empty: all"),
    ("a", "sending and arriving apart, or as one event"),
    ("b", "breakpoints: reasons such as queue-full; empty: none"),
    ("r Space", "run until a breakpoint; again: pause"),
    ("R", "at once to the next breakpoint"),
    ("+  -", "run faster, slower (events a second)"),
    (":", "do something here and now: ping pc-1 pc-4, link down A B …"),
    ("u", "take back what was typed last with :"),
    ("p", "how the programs ended"),
    ("Tab", "next pane; Shift-Tab: previous"),
    ("↑ k  ↓ j", "in the pane: event, node, field, table"),
    ("Enter", "on a node: its tables; again: of whichever node acts"),
    ("z", "the pane alone, or all"),
    ("o", "tags: collision domains (c1), broadcast domains (b1), none"),
    ("?  q", "this list; quit"),
];
