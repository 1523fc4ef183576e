//! Texts as the numbers of their word pieces, as the BERT family reads them.
//!
//! Only what `tokenizer.json` of such a model holds is understood: its normalizer, its splitting and its vocabulary.
//! All else is refused, so that no model gets other tokens than those it has learnt.

use std::collections::HashMap;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use crate::error::EmbedError;
use crate::folder;

/// The number of a word piece.
pub(crate) type TokenId = i32;

/// Characters of a text that are looked at; far more than fit into the most tokens.
const CHARACTERS_MAX: usize = 4_096;
/// What no reader sees; line breaks and tabs are spaces.
const INVISIBLE: &str = r"[\p{C}\x{FFFD}--[\t\n\r]]";
const NON_SPACING_MARK: &str = r"\p{Mn}";
/// Each of these characters is a word.
const IDEOGRAPH: &str = "[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\
    \u{2B81F}\u{2B820}-\u{2CEAF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}]";
/// A sign, or all up to the next sign or space.
const PIECE: &str = r"[!-/:-@\[-`{-~\p{P}]|[^\s!-/:-@\[-`{-~\p{P}]+";

/// The part of `tokenizer.json` that is understood.
#[derive(Debug, Deserialize)]
struct TokenizerFile {
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    model: Vocabulary,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Normalizer {
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum PreTokenizer {
    BertPreTokenizer,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Vocabulary {
    WordPiece {
        unk_token: String,
        continuing_subword_prefix: String,
        max_input_chars_per_word: usize,
        vocab: HashMap<String, TokenId>,
    },
}

/// Cuts texts into word pieces.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// What is taken away or written otherwise, in this order.
    steps: Vec<Step>,
    piece: Regex,
    beginnings: HashMap<String, TokenId>,
    /// Pieces that continue a word, without their mark.
    continuations: HashMap<String, TokenId>,
    word_characters_max: usize,
    start: TokenId,
    end: TokenId,
    unknown: TokenId,
    /// What fills short texts up; the mask hides it.
    pub(crate) padding: TokenId,
}

#[derive(Debug)]
enum Step {
    Replace(Regex, &'static str),
    Decompose,
    Lowercase,
}

impl WordPiece {
    pub(crate) fn open(path: &Path) -> Result<Self, EmbedError> {
        let unusable = |reason: String| EmbedError::unusable(path, &reason);
        let file: TokenizerFile =
            serde_json::from_str(&folder::text(path)?).map_err(|error| unusable(error.to_string()))?;
        let PreTokenizer::BertPreTokenizer = file.pre_tokenizer;
        let Vocabulary::WordPiece { unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } =
            file.model;
        let special = |token: &str| {
            vocab.get(token).copied().ok_or_else(|| unusable(format!("the vocabulary has no {token}")))
        };
        let (start, end, padding) = (special("[CLS]")?, special("[SEP]")?, special("[PAD]")?);
        let unknown = special(&unk_token)?;
        let (mut beginnings, mut continuations) = (HashMap::new(), HashMap::new());
        for (piece, id) in vocab {
            match piece.strip_prefix(&continuing_subword_prefix) {
                Some(continuation) if !continuation.is_empty() => {
                    continuations.insert(continuation.to_owned(), id);
                }
                _ => {
                    beginnings.insert(piece, id);
                }
            }
        }
        let word_characters_max = max_input_chars_per_word;
        let regexes = || Ok::<_, regex::Error>((steps(&file.normalizer)?, Regex::new(PIECE)?));
        let (steps, piece) = regexes().map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            steps,
            piece,
            beginnings,
            continuations,
            word_characters_max,
            start,
            end,
            unknown,
            padding,
        })
    }

    /// The text's tokens between the start's and the end's, `max` with these.
    pub(crate) fn tokens(&self, text: &str, max: u16) -> Vec<TokenId> {
        let text = self.normalized(text);
        let words = self.piece.find_iter(&text).flat_map(|word| self.pieces(word.as_str()));
        let room = usize::from(max.saturating_sub(2));
        [self.start].into_iter().chain(words.take(room)).chain([self.end]).collect()
    }

    fn normalized(&self, text: &str) -> String {
        let mut text: String = text.chars().take(CHARACTERS_MAX).collect();
        for step in &self.steps {
            text = match step {
                Step::Replace(what, by) => what.replace_all(&text, *by).into_owned(),
                Step::Decompose => text.nfd().collect(),
                Step::Lowercase => text.to_lowercase(),
            };
        }
        text
    }

    /// The longest pieces that make the word, from its beginning; one unknown when there are none.
    fn pieces(&self, word: &str) -> Vec<TokenId> {
        if word.chars().count() > self.word_characters_max {
            return vec![self.unknown];
        }
        let mut pieces = Vec::new();
        let mut rest = word;
        while !rest.is_empty() {
            let known = if pieces.is_empty() { &self.beginnings } else { &self.continuations };
            let ends = rest.char_indices().map(|(start, letter)| start + letter.len_utf8()).rev();
            let mut prefixes = ends.map(|end| rest.split_at(end));
            let Some((id, after)) = prefixes.find_map(|(head, tail)| Some((*known.get(head)?, tail))) else {
                return vec![self.unknown];
            };
            pieces.push(id);
            rest = after;
        }
        pieces
    }
}

fn steps(normalizer: &Normalizer) -> Result<Vec<Step>, regex::Error> {
    let Normalizer::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } =
        normalizer;
    let mut steps = Vec::new();
    if *clean_text {
        steps.push(Step::Replace(Regex::new(INVISIBLE)?, ""));
    }
    if *handle_chinese_chars {
        steps.push(Step::Replace(Regex::new(IDEOGRAPH)?, " $0 "));
    }
    if strip_accents.unwrap_or(*lowercase) {
        steps.extend([Step::Decompose, Step::Replace(Regex::new(NON_SPACING_MARK)?, "")]);
    }
    if *lowercase {
        steps.push(Step::Lowercase);
    }
    Ok(steps)
}
