//! A sentence model on disk: `tokenizer.json` and `model.onnx` in one folder.

use std::path::Path;

use rten::{DataType, Model, NodeId, Value, ValueOrView, ValueType};

use crate::error::EmbedError;
use crate::folder::ModelFolder;
use crate::pooling::mean_direction;
use crate::word_piece::{TokenId, WordPiece};
use crate::{BATCH_MAX, TextEmbedder};

/// Tokens, with those that fill up, that are computed at once: the memory of a run grows with them.
const TOKENS_OF_RUN_MAX: usize = 4_096;
/// The output with a vector for each token, by its usual names; another first output is taken as well.
const OUTPUTS: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// A sentence model of the BERT family with mean pooling, such as the `MiniLM` ones.
///
/// Its folder holds `model.onnx` and `tokenizer.json`; `sentence_bert_config.json` (the most tokens of a text) and
/// `1_Pooling/config.json` (must say the mean) may be there too.
#[derive(Debug)]
pub struct OnnxEmbedder {
    model: Model,
    inputs: Vec<(Input, NodeId)>,
    output: NodeId,
    words: WordPiece,
    max_tokens: u16,
    dimension: usize,
    identity: String,
}

/// What a model may want to know of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    TokenIds,
    /// 1 where a token is, 0 where the text is filled up.
    Mask,
    /// Of one text all are 0.
    Kinds,
}

impl OnnxEmbedder {
    /// The model of a folder, after a first try with two texts. `sha256` is that of `model.onnx`, in hexadecimal
    /// digits.
    ///
    /// # Errors
    /// When a file is missing, broken or another one, or when the model is not a sentence model as described above.
    pub fn open(folder: &Path, sha256: &str) -> Result<Self, EmbedError> {
        let files = ModelFolder::new(folder);
        files.check_model(sha256)?;
        files.check_pooling()?;
        let max_tokens = files.max_tokens()?;
        let words = WordPiece::open(&files.tokenizer())?;
        let identity = files.identity(sha256, max_tokens)?;
        let path = files.model();
        let model = Model::load_file(&path).map_err(|error| EmbedError::unusable(&path, &error))?;
        // An empty file is a model of nothing.
        if model.input_ids().is_empty() {
            return Err(EmbedError::unusable(&path, "it holds no model"));
        }
        let inputs = inputs(&model)?;
        let output = output(&model)?;
        let mut opened = Self { model, inputs, output, words, max_tokens, dimension: 0, identity };
        // Of two lengths: a model that was exported for one shape only is found out here, not by a shopper.
        let first = opened.vectors(&[opened.tokens("a"), opened.tokens("a a a")])?;
        opened.dimension = first.first().map_or(0, Vec::len);
        Ok(opened)
    }

    fn tokens(&self, text: &str) -> Vec<TokenId> {
        self.words.tokens(text, self.max_tokens)
    }

    /// One run of the model.
    fn vectors<T: AsRef<[TokenId]>>(&self, texts: &[T]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let width = texts.iter().map(|text| text.as_ref().len()).max().unwrap_or(0);
        let given: Result<Vec<(NodeId, ValueOrView)>, EmbedError> = self
            .inputs
            .iter()
            .map(|(input, node)| Ok((*node, self.given(*input, texts, width)?.into())))
            .collect();
        let answered =
            self.model.run(given?, &[self.output], None).map_err(|error| EmbedError::Run(error.into()))?;
        let wrong = |what: String| EmbedError::Output(what);
        let answered = answered.into_iter().next().ok_or_else(|| wrong("nothing".into()))?;
        let (shape, numbers) =
            answered.into_shape_vec::<f32, 3>().map_err(|error| wrong(error.to_string()))?;
        let dimension = shape[2];
        if shape[..2] != [texts.len(), width] || dimension == 0 {
            let asked = format!("{} texts of {width} tokens", texts.len());
            return Err(wrong(format!("{asked} became numbers in the shape {shape:?}")));
        }
        let rows = numbers.chunks_exact(width * dimension);
        let vector = |(text, row): (&T, &[f32])| {
            let tokens = row.chunks_exact(dimension).take(text.as_ref().len());
            mean_direction(tokens, dimension).ok_or_else(|| wrong("a vector without direction".into()))
        };
        texts.iter().zip(rows).map(vector).collect()
    }

    fn given<T: AsRef<[TokenId]>>(
        &self,
        input: Input,
        texts: &[T],
        width: usize,
    ) -> Result<Value, EmbedError> {
        let mut numbers = Vec::with_capacity(texts.len() * width);
        for text in texts {
            let (text, end) = (text.as_ref(), numbers.len() + width);
            match input {
                Input::TokenIds => numbers.extend_from_slice(text),
                Input::Mask => numbers.extend(text.iter().map(|_| 1)),
                Input::Kinds => {}
            }
            numbers.resize(end, if input == Input::TokenIds { self.words.padding } else { 0 });
        }
        Value::from_shape([texts.len(), width], numbers).map_err(|error| EmbedError::Run(error.into()))
    }
}

impl TextEmbedder for OnnxEmbedder {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.len() > BATCH_MAX {
            return Err(EmbedError::TooManyTexts(texts.len()));
        }
        let tokens: Vec<_> = texts.iter().map(|text| self.tokens(text)).collect();
        // Texts of like length together, so that little is filled up.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|place| tokens[*place].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let fits = |count: &usize| *count * tokens[rest[*count - 1]].len() <= TOKENS_OF_RUN_MAX;
            let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
            let (run, after) = rest.split_at(count);
            let asked: Vec<_> = run.iter().map(|place| &tokens[*place]).collect();
            for (place, vector) in run.iter().zip(self.vectors(&asked)?) {
                vectors[*place] = vector;
            }
            rest = after;
        }
        Ok(vectors)
    }
}

/// What the model wants, which must be whole numbers for each token.
fn inputs(model: &Model) -> Result<Vec<(Input, NodeId)>, EmbedError> {
    let wrong = |what: String| EmbedError::Inputs(what);
    let mut inputs = Vec::new();
    for node in model.input_ids() {
        let info = model.node_info(*node).ok_or_else(|| wrong("one without description".into()))?;
        let input = match info.name() {
            Some("input_ids") => Input::TokenIds,
            Some("attention_mask") => Input::Mask,
            Some("token_type_ids") => Input::Kinds,
            name => return Err(wrong(format!("unknown: {}", name.unwrap_or("without a name")))),
        };
        // The runtime holds the 64 bit numbers of the file in 32.
        if info.dtype().is_some_and(|kind| kind != ValueType::Tensor(DataType::Int32)) {
            return Err(wrong(format!("{} is no whole number", info.name().unwrap_or_default())));
        }
        inputs.push((input, *node));
    }
    for (input, name) in [(Input::TokenIds, "input_ids"), (Input::Mask, "attention_mask")] {
        if !inputs.iter().any(|(known, _)| *known == input) {
            return Err(wrong(format!("{name} is missing")));
        }
    }
    Ok(inputs)
}

fn output(model: &Model) -> Result<NodeId, EmbedError> {
    let outputs = model.output_ids();
    let named = |name: &str| {
        let is_named = |node: &&NodeId| model.node_info(**node).and_then(|info| info.name()) == Some(name);
        outputs.iter().find(is_named)
    };
    let found = OUTPUTS.into_iter().find_map(named).or(outputs.first());
    found.copied().ok_or_else(|| EmbedError::Output("the model has none".into()))
}
