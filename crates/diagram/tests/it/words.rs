//! The pictures in words: terminal tree and Mermaid, whole.

use crate::clouds;

#[test]
fn trees() {
    for (name, model) in clouds::all() {
        insta::assert_snapshot!(format!("tree-{name}"), diagram::tree(&model));
    }
}

#[test]
fn mermaid_charts() {
    for (name, model) in clouds::all() {
        insta::assert_snapshot!(format!("mermaid-{name}"), diagram::mermaid(&model));
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let (first, second) = (clouds::peered(), clouds::peered());
    assert_eq!(diagram::tree(&first), diagram::tree(&second));
    assert_eq!(diagram::mermaid(&first), diagram::mermaid(&second));
    assert_eq!(diagram::svg(&first), diagram::svg(&second));
}
