//! Korean particles, which depend on the sound before them: 은 or 는, 이 or 가. Hangul is read as it is written, digits by
//! their names, Latin letters as a Korean would read them: `pc-1` ends in 일, `east` in 트, `vm` in 엠.

/// A particle with the form after a final consonant and the form after a vowel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Particle {
    /// 은, 는: the topic.
    Topic,
    /// 이, 가: the subject.
    Subject,
    /// 을, 를: the object.
    Object,
    /// 과, 와: and.
    And,
    /// 으로, 로: to, as; ㄹ counts as a vowel.
    To,
    /// 이라는, 라는: called so.
    Called,
}

/// How a word ends when it is read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Vowel,
    /// ㄹ.
    Liquid,
    Consonant,
}

impl Particle {
    /// The word with the particle that fits: `pc-2` and the topic are `pc-2는`.
    pub fn after(self, word: &str) -> String {
        format!("{word}{}", self.form(word))
    }

    fn form(self, word: &str) -> &'static str {
        let (closed, open) = match self {
            Self::Topic => ("은", "는"),
            Self::Subject => ("이", "가"),
            Self::Object => ("을", "를"),
            Self::And => ("과", "와"),
            Self::To => ("으로", "로"),
            Self::Called => ("이라는", "라는"),
        };
        match ending(word) {
            Ending::Vowel => open,
            Ending::Liquid if self == Self::To => open,
            Ending::Liquid | Ending::Consonant => closed,
        }
    }
}

fn ending(word: &str) -> Ending {
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphanumeric()).collect();
    match letters.last() {
        Some(last @ '가'..='힣') => hangul(*last),
        // 영 일 이 삼 사 오 육 칠 팔 구; 십, 백, 천 and 만 end in a consonant as 영 does.
        Some('1' | '7' | '8') => Ending::Liquid,
        Some('0' | '3' | '6') => Ending::Consonant,
        Some(last) if last.is_ascii_alphabetic() => {
            let latin = word.rsplit(|c: char| !c.is_ascii_alphabetic()).find(|part| !part.is_empty());
            latin_word(&latin.unwrap_or_default().to_ascii_lowercase())
        }
        _ => Ending::Vowel,
    }
}

/// Syllables are numbered by their 28 finals, of which the first is none and the ninth ㄹ.
fn hangul(syllable: char) -> Ending {
    match (syllable as u32 - '가' as u32) % 28 {
        0 => Ending::Vowel,
        8 => Ending::Liquid,
        _ => Ending::Consonant,
    }
}

/// A word of small Latin letters, by the rules for loan words: l, m and n close a syllable; p, t, k and b do so after a short
/// vowel (랩톱, 웹) and get a vowel of their own after anything else (데스크, 이스트).
fn latin_word(word: &str) -> Ending {
    let letters = word.as_bytes();
    let is_vowel = |at: usize| letters.get(at).is_some_and(|letter| b"aeiouy".contains(letter));
    let Some(last) = letters.len().checked_sub(1) else { return Ending::Vowel };
    // A mute e: table, phone, home, but not store or site.
    if letters[last] == b'e' && last >= 2 {
        return match letters[last - 1] {
            b'l' => Ending::Liquid,
            b'm' | b'n' => Ending::Consonant,
            _ => Ending::Vowel,
        };
    }
    match letters[last] {
        b'l' => Ending::Liquid,
        b'm' | b'n' => Ending::Consonant,
        b'g' if last >= 1 && letters[last - 1] == b'n' => Ending::Consonant,
        // Hub and pub are 허브 and 퍼브.
        b'b' if last >= 1 && letters[last - 1] == b'u' => Ending::Vowel,
        b'k' if last >= 2 && letters[last - 1] == b'c' && is_vowel(last - 2) => Ending::Consonant,
        b'p' | b't' | b'k' | b'b' | b'c' if last >= 1 && is_vowel(last - 1) && !(last >= 2 && is_vowel(last - 2)) => {
            Ending::Consonant
        }
        _ => Ending::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_fit_what_is_heard_before_them() {
        for (word, topic, to) in [
            ("스위치", "스위치는", "스위치로"),
            ("라우터", "라우터는", "라우터로"),
            ("서브넷", "서브넷은", "서브넷으로"),
            ("터널", "터널은", "터널로"),
            ("pc-1", "pc-1은", "pc-1로"),
            ("pc-2", "pc-2는", "pc-2로"),
            ("pc-3", "pc-3은", "pc-3으로"),
            ("203.0.113.2", "203.0.113.2는", "203.0.113.2로"),
            ("10.0.0.10", "10.0.0.10은", "10.0.0.10으로"),
            ("10.0.0.8", "10.0.0.8은", "10.0.0.8로"),
            ("east", "east는", "east로"),
            ("west", "west는", "west로"),
            ("middle", "middle은", "middle로"),
            ("desk", "desk는", "desk로"),
            ("press", "press는", "press로"),
            ("laptop", "laptop은", "laptop으로"),
            ("phone", "phone은", "phone으로"),
            ("server", "server는", "server로"),
            ("web", "web은", "web으로"),
            ("hub", "hub는", "hub로"),
            ("spy", "spy는", "spy로"),
            ("pc", "pc는", "pc로"),
            ("vm", "vm은", "vm으로"),
            ("net", "net은", "net으로"),
            ("back", "back은", "back으로"),
            ("site", "site는", "site로"),
            ("DNS", "DNS는", "DNS로"),
            ("tcp/80", "tcp/80은", "tcp/80으로"),
            ("[pc-1]", "[pc-1]은", "[pc-1]로"),
            ("", "는", "로"),
        ] {
            assert_eq!((Particle::Topic.after(word).as_str(), Particle::To.after(word).as_str()), (topic, to));
        }
    }

    #[test]
    fn every_particle_has_two_forms() {
        for (particle, closed, open) in [
            (Particle::Subject, "sales-1이", "sales-2가"),
            (Particle::Object, "sales-1을", "sales-2를"),
            (Particle::And, "sales-1과", "sales-2와"),
            (Particle::Called, "sales-1이라는", "sales-2라는"),
        ] {
            assert_eq!((particle.after("sales-1").as_str(), particle.after("sales-2").as_str()), (closed, open));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_word_itself_stays_as_it_is(word in "\\PC*") {
            let after = Particle::Topic.after(&word);
            proptest::prop_assert!(after.strip_prefix(word.as_str()).is_some_and(|form| ["은", "는"].contains(&form)));
        }
    }
}
