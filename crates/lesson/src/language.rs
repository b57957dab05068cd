//! The languages of lessons.

use std::fmt;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Korean];

    /// Its code (ISO 639-1).
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// The language of a code, or of a locale such as `ko_KR.UTF-8`; `C` and `POSIX` are English.
    pub fn parse(code: &str) -> Option<Self> {
        let base = code.split(['_', '-', '.', '@']).next().unwrap_or_default().to_ascii_lowercase();
        match base.as_str() {
            "c" | "posix" => Some(Self::English),
            base => Self::ALL.into_iter().find(|language| language.code() == base),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
