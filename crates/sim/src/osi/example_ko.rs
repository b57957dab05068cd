//! The words of an example's frame in Korean. Names of header fields stay as the standards and capture programs have them; what
//! are sentences, layers and units is said.

use super::Tongue;
use crate::trace::Layer;
use crate::view::columns::width;

/// Units of layers, as the list of an example has them.
const UNITS: [(&str, &str); 5] = [("bits", "비트"), ("frame", "프레임"), ("packet", "패킷"), ("segment", "세그먼트"), ("data", "데이터")];

/// Sentences and parts of them, longer ones before those that they contain.
const PHRASES: [(&str, &str); 28] = [
    ("state none: each datagram stands alone", "상태 없음: 데이터그램은 저마다 따로입니다"),
    ("written as binary fields; options as code, length and value", "이진 필드로 적음; 옵션은 코드, 길이, 값"),
    ("written as binary fields; names as length and label", "이진 필드로 적음; 이름은 길이와 라벨"),
    ("written as binary fields", "이진 필드로 적음"),
    ("written as ASCII text", "ASCII 글자로 적음"),
    ("written as UTF-8 text", "UTF-8 글자로 적음"),
    ("written as ASN.1 in BER", "ASN.1을 BER로 적음"),
    ("written as bytes", "바이트 그대로 적음"),
    ("encoding: ", "인코딩: "),
    ("socket pair: from ", "소켓 쌍: 출발 "),
    ("LISTEN or CLOSED", "LISTEN 또는 CLOSED"),
    ("nothing is plugged in", "아무것도 꽂혀 있지 않음"),
    ("shared, half duplex: one collision domain of", "공유, 반이중: 한 충돌 도메인의 스테이션 수"),
    ("medium full-duplex link, ", "매체 전이중 링크, 길이 "),
    ("medium serial link, ", "매체 직렬 링크, 길이 "),
    (" long, rate ", ", 속도 "),
    ("(a bit takes ", "(1비트에 "),
    (", bits ", ", 비트 "),
    ("preamble ", "프리앰블 "),
    (" + frame ", " + 프레임 "),
    ("flag ", "플래그 "),
    (" + padding ", " + 채움 "),
    (" + check sequence ", " + 검사 시퀀스 "),
    ("time to send ", "보내는 시간 "),
    (" bytes to the shortest frame", "바이트(가장 짧은 프레임까지)"),
    ("(everybody)", "(모두에게)"),
    ("(correct)", "(올바름)"),
    ("(wrong)", "(틀림)"),
];

/// The frame of an example, line by line.
pub(super) fn frame(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", told(line))).collect()
}

fn told(line: &str) -> String {
    let mut line = line.to_owned();
    for (english, korean) in PHRASES {
        line = line.replace(english, korean);
    }
    let padded = |text: &str, to: usize| format!("{text}{}", " ".repeat(to.saturating_sub(width(text))));
    for layer in Layer::ALL {
        let head = format!("     {:<14} ", format!("{} {}", layer.number(), layer.name()));
        let Some(rest) = line.strip_prefix(&head) else { continue };
        let name = padded(&format!("{} {}", layer.number(), Tongue::Korean.name(layer)), 14);
        let unit = UNITS.iter().find_map(|(english, korean)| Some((rest.strip_prefix(&format!("{english:<9} "))?, korean)));
        return match unit {
            Some((rest, korean)) => format!("     {name} {} {rest}", padded(korean, 9)),
            None => format!("     {name} {rest}"),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osi::{Answer, Protocol, Topic};

    /// Words that a sentence has and no name of a field.
    const ENGLISH: [&str; 8] = [" takes ", " each ", " stands ", " as ", " to the ", " long", " in ", "everybody"];

    #[test]
    fn no_english_sentence_is_left_in_an_example() {
        let mut seen = 0;
        for protocol in Protocol::all() {
            let topic = Topic::Protocol(protocol);
            let text = Answer::new(topic).with_example(topic).in_tongue(Tongue::Korean).text();
            let Some((_, frame)) = text.split_once("\n예: ") else { continue };
            for line in frame.lines().skip(1) {
                assert!(ENGLISH.iter().all(|word| !line.contains(word)), "{}: {line}", protocol.word);
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} lines");
    }

    #[test]
    fn columns_stay_below_each_other() {
        let english = "     1 physical     bits      medium full-duplex link, 50 ns long, rate 1 Gb/s (a bit takes 1 ns)\n     2 data link    frame     Ethernet: destination ff:ff:ff:ff:ff:ff (everybody)\n";
        let korean = frame(english);
        let begins: Vec<usize> = korean.lines().zip(["매체", "Ethernet"]).map(|(line, word)| width(&line[..line.find(word).expect(word)])).collect();
        assert_eq!(begins, [30, 30], "{korean}");
    }
}
