//! The parser of Dockerfiles: laws that hold for any bytes.

use container::build::dockerfile::{change, parse, word};
use container::build::ignore::{Ignore, Pattern};
use proptest::prelude::*;

/// Text of pieces that a Dockerfile is made of, put together without sense.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "FROM ",
        "from ",
        "ARG ",
        "ENV ",
        "RUN ",
        "COPY ",
        "ADD ",
        "CMD ",
        "HEALTHCHECK ",
        "ONBUILD ",
        "SHELL ",
        "LABEL ",
        "VOLUME ",
        "EXPOSE ",
        "scratch",
        " AS ",
        "a",
        "=",
        "\"",
        "'",
        "\\",
        "\\\n",
        "\n",
        "#",
        "# escape=`\n",
        "`",
        "`\n",
        "$",
        "${",
        "}",
        ":-",
        ":+",
        "%%",
        "##",
        "/",
        "//",
        "<<EOF",
        "<<-\"E\"",
        "EOF\n",
        "E\n",
        "[",
        "]",
        ",",
        "\t",
        " ",
        "--from=",
        "--mount=",
        "--interval=",
        "--",
        "é",
        "\u{feff}",
        "\r\n",
        "0",
        "8000-8001/udp",
        "*",
        "?",
        "!",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(mistake) = parse("Dockerfile", &bytes) {
            prop_assert!(mistake.place.line >= 1 && mistake.place.column >= 1);
            prop_assert!(!mistake.diagnostic().is_empty());
        }
    }

    #[test]
    fn no_pieces_make_the_parser_panic(text in pieces()) {
        let mistake = match parse("Dockerfile", text.as_bytes()) {
            Ok(file) => {
                prop_assert!(!file.stages.is_empty());
                None
            }
            Err(mistake) => Some(mistake),
        };
        if let Some(mistake) = mistake {
            prop_assert!(mistake.place.line <= text.split('\n').count().max(1), "{mistake:?}");
            prop_assert!(!mistake.diagnostic().is_empty());
        }
        let _ = change(&text);
    }

    #[test]
    fn no_word_makes_the_expansion_panic(text in pieces()) {
        let lookup = |name: &str| (name.len() == 1).then(|| "va/lue".to_owned());
        for escape in ['\\', '`'] {
            if let Err(bad) = word::expand(&text, escape, &lookup) {
                prop_assert!(bad.at <= text.len());
            }
            let _ = word::expand_document(&text, escape, &lookup);
        }
    }

    #[test]
    fn words_without_meaning_stand_for_themselves(text in "[a-zA-Z0-9 ./:_=-]{0,40}") {
        prop_assert_eq!(word::expand(&text, '\\', &|_| None).unwrap(), text);
    }

    #[test]
    fn quoted_words_stand_for_themselves(text in "[^'\r\n]{0,40}") {
        prop_assert_eq!(word::expand(&format!("'{text}'"), '\\', &|_| None).unwrap(), text);
    }

    #[test]
    fn no_pattern_makes_matching_panic(pattern in "[a-b*?!\\[\\]^/\\\\-]{0,12}", path in "[ab/]{0,12}") {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.fits(&path);
        }
        if let Ok(ignore) = Ignore::parse(&pattern) {
            let _ = ignore.ignores(&path);
        }
    }

    #[test]
    fn a_path_fits_itself(path in "[a-z.]{1,8}(/[a-z.]{1,8}){0,3}") {
        prop_assert!(Pattern::new(&path).unwrap().fits(&path));
        let wild = format!("**/{path}");
        prop_assert!(Pattern::new(&wild).unwrap().fits(&path));
    }
}
