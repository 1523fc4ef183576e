//! What a model on disk makes of texts.

use support::tiny_model::{DIMENSION, TinyModel};
use text_embedding::{BATCH_MAX, EmbedError, OnnxEmbedder, TOKENS_MAX, TextEmbedder};

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn embedder() -> (TinyModel, OnnxEmbedder) {
    let model = TinyModel::new();
    let embedder = model.open().expect("a whole model");
    (model, embedder)
}

fn one(embedder: &OnnxEmbedder, text: &str) -> Vec<f32> {
    embedder.embed(&[text]).expect("a vector").remove(0)
}

#[test]
fn words_of_one_thing_are_near() {
    let (_model, embedder) = embedder();
    assert_eq!(embedder.dimension(), DIMENSION);
    let pairs = [
        ("sofa", "couch", "shirt"),
        ("sneakers", "trainers", "lamp"),
        ("big red sofa", "large crimson couch", "blue mug"),
    ];
    for (text, same, other) in pairs {
        let vectors = embedder.embed(&[text, same, other]).expect("vectors");
        let (near, far) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
        assert!(near > 0.9 && far < 0.6, "{text}: {near} and {far}");
    }
}

#[test]
fn every_vector_has_the_length_1_whatever_the_text() {
    let (_model, embedder) = embedder();
    let long = "sofa ".repeat(100_000);
    let odd = [
        "",
        " ",
        "sofa",
        "SÓFA!",
        "asdfghjkl",
        "sofaishs",
        "椅子 sofa",
        "\u{0}\u{200b}\u{1F6CB}",
        "[CLS] ##s",
        &long,
    ];
    for (text, vector) in odd.iter().zip(embedder.embed(&odd).expect("vectors")) {
        assert_eq!(vector.len(), DIMENSION);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5, "{text:.20}");
    }
    assert!(embedder.embed(&[]).expect("no vectors").is_empty());
}

#[test]
fn a_text_has_the_same_vector_alone_and_beside_longer_ones() {
    let (_model, embedder) = embedder();
    let long = "red ".repeat(200);
    let texts = [long.as_str(), "sofa", "big blue bag", &long, "cup"];
    for (text, together) in texts.iter().zip(embedder.embed(&texts).expect("vectors")) {
        assert!(cosine(&together, &one(&embedder, text)) > 0.999_99, "{text:.20}");
    }
}

#[test]
fn case_accents_and_signs_change_nothing_of_a_word() {
    let (_model, embedder) = embedder();
    let sofa = one(&embedder, "sofa");
    for text in ["SOFA", "Sófa", " sofa\t", "so\u{AD}fa"] {
        assert!(cosine(&sofa, &one(&embedder, text)) > 0.999_99, "{text}");
    }
    // Two pieces of one word.
    assert!(cosine(&one(&embedder, "mugs"), &one(&embedder, "mug")) > 0.5);
}

#[test]
fn only_the_beginning_of_a_long_text_is_looked_at() {
    let (model, embedder) = embedder();
    let room = usize::from(TOKENS_MAX) - 2;
    let begun = one(&embedder, &"sofa ".repeat(room));
    let continued = one(&embedder, &format!("{}{}", "sofa ".repeat(room), "lamp ".repeat(room)));
    assert!(cosine(&begun, &continued) > 0.999_99);
    model.write("sentence_bert_config.json", br#"{"max_seq_length": 3, "do_lower_case": false}"#);
    let shorter = model.open().expect("a whole model");
    assert!(cosine(&one(&shorter, "sofa lamp lamp"), &one(&shorter, "sofa")) > 0.999_99);
}

#[test]
fn only_so_many_texts_go_at_once() {
    let (_model, embedder) = embedder();
    let long = "big red sofa ".repeat(100);
    assert_eq!(embedder.embed(&[long.as_str(); BATCH_MAX]).expect("vectors").len(), BATCH_MAX);
    let refused = embedder.embed(&["sofa"; BATCH_MAX + 1]);
    assert!(matches!(refused, Err(EmbedError::TooManyTexts(65))));
}
