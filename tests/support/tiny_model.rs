//! A sentence model of 50 words, made on the spot: words of one thing point almost the same way.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use text_embedding::{EmbedError, OnnxEmbedder};

use crate::files;

/// Numbers of a vector.
pub const DIMENSION: usize = 32;
/// How far a word is from what it names, the distance between two things being about 1.
const OWN_SHARE: f32 = 0.25;
/// The words of one thing in one row.
const THINGS: [&str; 16] = [
    "sofa couch settee",
    "sneakers trainers runners",
    "shirt tee blouse",
    "laptop notebook",
    "headphones earphones earbuds",
    "mug cup",
    "lamp light",
    "rug carpet",
    "jacket coat parka",
    "trousers pants",
    "television tv",
    "phone smartphone",
    "bag backpack",
    "red crimson",
    "blue navy",
    "big large ##s ##ish",
];
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// A folder with the model, taken away with the value.
pub struct TinyModel(PathBuf);

impl TinyModel {
    /// A whole one.
    #[expect(clippy::new_without_default, reason = "it writes files")]
    pub fn new() -> Self {
        let tiny = Self(files::folder("model"));
        tiny.write("tokenizer.json", tokenizer().to_string().as_bytes());
        tiny.write("model.onnx", &bytes(&model()));
        tiny
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The checksum of its weights as they are now.
    pub fn sha256(&self) -> String {
        let content = fs::read(self.0.join("model.onnx")).unwrap_or_default();
        Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is made of it as it is now.
    pub fn open(&self) -> Result<OnnxEmbedder, EmbedError> {
        OnnxEmbedder::open(&self.0, &self.sha256())
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, content: &[u8]) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Takes one of its files away.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.0.join(file)).expect("the file was there");
    }
}

impl Drop for TinyModel {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `tokenizer.json`.
pub fn tokenizer() -> Value {
    let words = THINGS.iter().flat_map(|words| words.split(' '));
    let vocabulary: Map<String, Value> = SPECIAL
        .into_iter()
        .chain(words)
        .zip(0..)
        .map(|(word, id): (_, i32)| (word.into(), json!(id)))
        .collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    })
}

/// `model.onnx`: a row of a table for each token, nothing where the mask is 0.
pub fn model() -> ModelProto {
    let table = weights();
    let rows = i64::try_from(table.len() / DIMENSION).expect("few");
    let nodes = [
        node("Gather", &["table", "input_ids"], "rows", vec![]),
        node("Cast", &["attention_mask"], "mask", vec![int("to", 1)]),
        node("Unsqueeze", &["mask", "last_axis"], "mask_of_rows", vec![]),
        node("Mul", &["rows", "mask_of_rows"], "last_hidden_state", vec![]),
    ];
    let whole = |name: &str| value(name, DataType::INT64, &["batch", "sequence"]);
    let graph = GraphProto {
        node: nodes.into(),
        initializer: vec![floats("table", vec![rows, 32], &table), integers("last_axis", vec![-1])],
        input: vec![whole("input_ids"), whole("attention_mask")],
        output: vec![value("last_hidden_state", DataType::FLOAT, &["batch", "sequence", "32"])],
        value_info: vec![],
    };
    let opset = OperatorSetIdProto { domain: None, version: Some(17) };
    ModelProto { ir_version: Some(8), graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() }
}

/// The model's graph.
pub fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().expect("a model has a graph")
}

/// The model as a file.
pub fn bytes(model: &ModelProto) -> Vec<u8> {
    model.write_buf().expect("a model")
}

/// A step of a model.
pub fn node(operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        domain: None,
        name: Some(format!("{output}_node")),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: Some(operator.to_owned()),
        attribute: attributes,
    }
}

fn int(name: &str, number: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        i: Some(number),
        r#type: Some(AttributeType::INT),
        ..AttributeProto::default()
    }
}

/// An input or output; a size that is no number is open.
pub fn value(name: &str, kind: DataType, shape: &[&str]) -> ValueInfoProto {
    let size = |size: &&str| match size.parse() {
        Ok(fixed) => Dimension { dim_value: Some(fixed), dim_param: None },
        Err(_) => Dimension { dim_value: None, dim_param: Some((*size).to_owned()) },
    };
    let shape = TensorShapeProto { dim: shape.iter().map(size).collect() };
    let tensor = TypeProtoTensor { elem_type: Some(kind), shape: Some(shape) };
    let kind = TypeProto { tensor_type: Some(tensor), ..TypeProto::default() };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind) }
}

/// Numbers that a model holds.
pub fn floats(name: &str, dims: Vec<i64>, numbers: &[f32]) -> TensorProto {
    let raw = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    TensorProto {
        dims,
        data_type: Some(DataType::FLOAT),
        name: Some(name.to_owned()),
        raw_data: Some(RefCell::new(raw)),
        ..TensorProto::default()
    }
}

/// Whole numbers that a model holds.
pub fn integers(name: &str, numbers: Vec<i64>) -> TensorProto {
    TensorProto {
        dims: vec![i64::try_from(numbers.len()).expect("few")],
        data_type: Some(DataType::INT64),
        name: Some(name.to_owned()),
        int64_data: numbers,
        ..TensorProto::default()
    }
}

/// One row for each special token (near 0: they say nothing) and each word, the same on every machine.
fn weights() -> Vec<f32> {
    let mut numbers = Numbers(7);
    let mut table: Vec<f32> = Vec::new();
    table.extend(numbers.next_many(SPECIAL.len() * DIMENSION).map(|number| number * 0.01));
    for words in THINGS {
        let thing: Vec<f32> = numbers.next_many(DIMENSION).collect();
        for _ in words.split(' ') {
            let own = numbers.next_many(DIMENSION);
            table.extend(thing.iter().zip(own).map(|(of_thing, own)| of_thing + OWN_SHARE * own));
        }
    }
    table
}

/// Numbers between -1 and 1 that look like chance (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next_many(&mut self, count: usize) -> impl Iterator<Item = f32> {
        (0..count).map(|_| self.next())
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [high, low, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        f32::from(i16::from_be_bytes([high, low])) / 32_768.0
    }
}
