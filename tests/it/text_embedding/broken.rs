//! A model that is not whole is refused when it is opened, with the reason.

use rten_onnx::onnx::{DataType, ModelProto};
use serde_json::{Value, json};
use support::tiny_model::{TinyModel, bytes, floats, graph, integers, model, node, tokenizer, value};
use text_embedding::{EmbedError, OnnxEmbedder};

fn refused(tiny: &TinyModel) -> EmbedError {
    tiny.open().expect_err("a broken model")
}

fn refused_model(change: impl Fn(&mut ModelProto)) -> EmbedError {
    let tiny = TinyModel::new();
    let mut changed = model();
    change(&mut changed);
    tiny.write("model.onnx", &bytes(&changed));
    refused(&tiny)
}

fn refused_tokenizer(change: impl Fn(&mut Value)) -> EmbedError {
    let tiny = TinyModel::new();
    let mut changed = tokenizer();
    change(&mut changed);
    tiny.write("tokenizer.json", changed.to_string().as_bytes());
    refused(&tiny)
}

#[test]
fn a_missing_file_is_named() {
    for file in ["model.onnx", "tokenizer.json"] {
        let tiny = TinyModel::new();
        tiny.remove(file);
        let error = refused(&tiny);
        assert!(matches!(&error, EmbedError::Unreadable { path, .. } if path.ends_with(file)), "{error:?}");
    }
}

#[test]
fn a_broken_file_is_named() {
    let tiny = TinyModel::new();
    let whole = bytes(&model());
    let pointer = b"version https://git-lfs.github.com/spec/v1\n";
    for broken in [&whole[..whole.len() / 2], b"", b"<html>", pointer] {
        tiny.write("model.onnx", broken);
        let error = refused(&tiny);
        assert!(
            matches!(&error, EmbedError::Unusable { path, .. } if path.ends_with("model.onnx")),
            "{error:?}"
        );
    }
    tiny.write("tokenizer.json", b"{}");
    assert!(refused(&tiny).to_string().contains("tokenizer.json"));
    tiny.write("sentence_bert_config.json", br#"{"max_seq_length": 2}"#);
    assert!(refused(&tiny).to_string().contains("sentence_bert_config.json"));
    tiny.write("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": false}"#);
    assert!(refused(&tiny).to_string().contains("only the mean"));
}

#[test]
fn another_model_is_refused() {
    let tiny = TinyModel::new();
    let error = OnnxEmbedder::open(tiny.path(), &"0".repeat(64)).expect_err("another model");
    assert!(matches!(&error, EmbedError::Other { found, .. } if *found == tiny.sha256()), "{error:?}");
}

#[test]
fn another_kind_of_tokenizer_is_refused() {
    let error = refused_tokenizer(|file| file["model"]["type"] = json!("Unigram"));
    assert!(error.to_string().contains("Unigram"), "{error}");
    let error = refused_tokenizer(|file| file["pre_tokenizer"]["type"] = json!("ByteLevel"));
    assert!(error.to_string().contains("ByteLevel"), "{error}");
    let error = refused_tokenizer(|file| {
        file["model"]["vocab"].as_object_mut().expect("an object").remove("[CLS]");
    });
    assert!(error.to_string().contains("[CLS]"), "{error}");
}

#[test]
fn a_tokenizer_of_another_model_is_found_out() {
    let error = refused_tokenizer(|file| file["model"]["vocab"]["a"] = json!(30_000));
    assert!(matches!(error, EmbedError::Run(_)), "{error:?}");
}

#[test]
fn other_inputs_are_refused() {
    let error = refused_model(|model| {
        graph(model).input.push(value("pixel_values", DataType::FLOAT, &["batch"]));
    });
    assert!(matches!(&error, EmbedError::Inputs(what) if what.contains("pixel_values")), "{error:?}");
    let error = refused_model(|model| {
        graph(model).input.truncate(1);
        graph(model).node = vec![node("Gather", &["table", "input_ids"], "last_hidden_state", vec![])];
    });
    assert!(matches!(&error, EmbedError::Inputs(what) if what.contains("attention_mask")), "{error:?}");
    let error = refused_model(|model| {
        graph(model).input[1] = value("attention_mask", DataType::FLOAT, &["batch", "sequence"]);
    });
    assert!(matches!(&error, EmbedError::Inputs(what) if what.contains("whole")), "{error:?}");
    let error = refused_model(|model| {
        graph(model).input[0] = value("input_ids", DataType::INT64, &["1", "128"]);
    });
    assert!(matches!(error, EmbedError::Run(_)), "{error:?}");
}

#[test]
fn another_output_is_refused() {
    let error = refused_model(|model| {
        let graph = graph(model);
        graph.node.push(node("ReduceMean", &["last_hidden_state"], "sentence_embedding", vec![]));
        graph.output = vec![value("sentence_embedding", DataType::FLOAT, &["batch", "32"])];
    });
    assert!(matches!(error, EmbedError::Output(_)), "{error:?}");
    let error = refused_model(|model| graph(model).output.clear());
    assert!(matches!(error, EmbedError::Output(_)), "{error:?}");
    let error = refused_model(|model| {
        let graph = graph(model);
        graph.initializer =
            vec![floats("table", vec![46, 32], &[0.0; 46 * 32]), integers("last_axis", vec![-1])];
    });
    assert!(matches!(&error, EmbedError::Output(what) if what.contains("direction")), "{error:?}");
}
