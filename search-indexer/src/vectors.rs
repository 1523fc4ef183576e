//! What products and searches mean, as vectors beside their words. Off unless the settings name a model; an index has
//! their field when it is made while they are on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use elasticsearch::http::Method;
use process::error_chain;
use serde_json::{Value, json};
use text_embedding::{BATCH_MAX, EmbedError, OnnxEmbedder, TextEmbedder};
use tokio::sync::Semaphore;

use crate::client::{Request, SearchClient};
use crate::document::ProductDocument;
use crate::error::SearchError;
use crate::settings::VectorSettings;

/// Nearest products that a search finds beside those that have its words.
const NEAREST_COUNT: u16 = 50;
/// Products that the engine looks at for them, in each part of the index.
const CANDIDATE_COUNT: u16 = 200;
/// How long it is believed which field the index in use has.
const FORM_BELIEVED_FOR: Duration = Duration::from_secs(10);
/// Longest that a search waits for its vector.
const SEARCH_DEADLINE: Duration = Duration::from_millis(500);
/// The model computes for so many at once; the others wait.
const TURN_COUNT: usize = 2;
/// Texts whose vectors are remembered: most changes of a product are none of its texts.
const REMEMBERED_COUNT_MAX: usize = 10_000;
/// Characters of a description that are read; models read little more.
const DESCRIPTION_LENGTH_MAX: usize = 1_000;

/// Makes vectors of products and searches.
pub(crate) struct Vectors {
    embedder: Arc<dyn TextEmbedder>,
    /// The field of the index. Its name tells the model: vectors of two models are never compared.
    field: String,
    weight: u16,
    turns: Semaphore,
    remembered: Mutex<HashMap<String, Vec<f32>>>,
    form: tokio::sync::Mutex<Option<(Instant, Option<Form>)>>,
}

/// How an engine holds vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Elasticsearch.
    DenseVector,
    /// OpenSearch with its k-NN plugin.
    KnnVector,
}

/// What a search means.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    form: Form,
    field: String,
    weight: u16,
    vector: Vec<f32>,
}

impl Vectors {
    /// Loads the model.
    pub(crate) fn open(settings: &VectorSettings) -> Result<Self, EmbedError> {
        let embedder = Arc::new(OnnxEmbedder::open(&settings.model, &settings.sha256)?);
        let model: String = settings.sha256.to_lowercase().chars().take(8).collect();
        Ok(Self {
            embedder,
            field: format!("vector_{model}"),
            weight: settings.weight,
            turns: Semaphore::new(TURN_COUNT),
            remembered: Mutex::default(),
            form: tokio::sync::Mutex::default(),
        })
    }

    /// The name of the field.
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    /// The body that makes an index, with the field.
    pub(crate) fn added_to(&self, mut body: Value, form: Form) -> Value {
        body["mappings"]["properties"][&self.field] = form.mapping(self.embedder.dimension());
        if form == Form::KnnVector {
            body["settings"]["index.knn"] = json!(true);
        }
        body
    }

    /// The vectors of documents, in their order, for the index behind an alias; none when it has no field for them, or
    /// the model cannot make them: words find a product without.
    pub(crate) async fn of_documents(
        &self,
        client: &SearchClient,
        alias: &str,
        documents: &[ProductDocument],
    ) -> Result<Vec<Option<Vec<f32>>>, SearchError> {
        let mut vectors = vec![None; documents.len()];
        if self.form_of(client, alias).await?.is_none() {
            return Ok(vectors);
        }
        let present = documents.iter().zip(&mut vectors).filter(|(document, _)| !document.deleted);
        let mut wanted: Vec<_> = present.map(|(document, vector)| (text_of(document), vector)).collect();
        for chunk in wanted.chunks_mut(BATCH_MAX) {
            let texts: Vec<_> = chunk.iter().map(|(text, _)| text.clone()).collect();
            match self.embed(texts).await {
                Ok(made) => {
                    chunk.iter_mut().zip(made).for_each(|((_, vector), made)| **vector = Some(made));
                }
                Err(error) => refused(&error),
            }
        }
        Ok(vectors)
    }

    /// What a search means to the index in use.
    async fn meaning(&self, client: &SearchClient, text: &str) -> Option<Meaning> {
        let form = self.form_in_use(client).await?;
        let vector = match tokio::time::timeout(SEARCH_DEADLINE, self.embed(vec![text.to_owned()])).await {
            Ok(Ok(made)) => made.into_iter().next()?,
            Ok(Err(error)) => {
                refused(&error);
                return None;
            }
            Err(_) => {
                metrics::counter!("search_vectors_late_total").increment(1);
                return None;
            }
        };
        Some(Meaning { form, field: self.field.clone(), weight: self.weight, vector })
    }

    async fn form_in_use(&self, client: &SearchClient) -> Option<Form> {
        let mut believed = self.form.lock().await;
        if let Some((since, form)) = *believed
            && since.elapsed() < FORM_BELIEVED_FOR
        {
            return form;
        }
        let form = self.form_of(client, client.alias()).await.ok().flatten();
        *believed = Some((Instant::now(), form));
        form
    }

    async fn form_of(&self, client: &SearchClient, alias: &str) -> Result<Option<Form>, SearchError> {
        let answer = client.answer(Request::new(Method::Get, format!("{alias}/_mapping"))).await?;
        match answer.status {
            200 => Ok(Form::of(&answer.body, &self.field)),
            // The bulk that follows tells it better.
            404 => Ok(None),
            status => Err(SearchError::from_answer(status, &answer.body)),
        }
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = self.remembered(&texts);
        let unknown: Vec<String> = texts
            .iter()
            .zip(&vectors)
            .filter(|(_, known)| known.is_none())
            .map(|(text, _)| text.clone())
            .collect();
        if !unknown.is_empty() {
            let made = self.computed(unknown.clone()).await?;
            self.remember(unknown, &made);
            let mut made = made.into_iter();
            vectors.iter_mut().filter(|known| known.is_none()).for_each(|place| *place = made.next());
        }
        Ok(vectors.into_iter().flatten().collect())
    }

    async fn computed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let _turn = self.turns.acquire().await;
        let embedder = Arc::clone(&self.embedder);
        let compute = move || embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(compute).await.unwrap_or_else(|error| Err(EmbedError::Run(error.into())))
    }

    fn remembered(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|text| remembered.get(text).cloned()).collect()
    }

    fn remember(&self, texts: Vec<String>, vectors: &[Vec<f32>]) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + texts.len() > REMEMBERED_COUNT_MAX {
            remembered.clear();
        }
        remembered.extend(texts.into_iter().zip(vectors.iter().cloned()));
    }
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vectors").field("field", &self.field).finish_non_exhaustive()
    }
}

/// What a text means; `None` when vectors are off, the index has none of this model, or there is none in time.
pub(crate) async fn meaning(client: &SearchClient, text: &str) -> Option<Meaning> {
    client.vectors()?.meaning(client, text).await
}

impl Form {
    pub(crate) const ALL: [Self; 2] = [Self::DenseVector, Self::KnnVector];

    /// The form of a field in the mapping of the index behind an alias.
    fn of(mappings: &Value, field: &str) -> Option<Self> {
        let (_, index) = mappings.as_object()?.iter().next()?;
        match index["mappings"]["properties"][field]["type"].as_str()? {
            "dense_vector" => Some(Self::DenseVector),
            "knn_vector" => Some(Self::KnnVector),
            _ => None,
        }
    }

    fn mapping(self, dimension: usize) -> Value {
        match self {
            Self::DenseVector => json!({
                "type": "dense_vector",
                "dims": dimension,
                "index": true,
                "similarity": "cosine",
                "index_options": {"type": "int8_hnsw"},
            }),
            Self::KnnVector => json!({
                "type": "knn_vector",
                "dimension": dimension,
                "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
            }),
        }
    }
}

impl Meaning {
    /// The nearest products among those that the filters leave; the nearer, the more of the weight each counts.
    pub(crate) fn nearest(&self, filters: &[Value]) -> Value {
        let Self { form, field, weight, vector } = self;
        match form {
            Form::DenseVector => json!({"knn": {
                "field": field,
                "query_vector": vector,
                "k": NEAREST_COUNT,
                "num_candidates": CANDIDATE_COUNT,
                "filter": filters,
                "boost": weight,
            }}),
            Form::KnnVector => json!({"knn": {field: {
                "vector": vector,
                "k": NEAREST_COUNT,
                "filter": {"bool": {"filter": filters}},
                "boost": weight,
            }}}),
        }
    }
}

/// What of a product is read.
fn text_of(document: &ProductDocument) -> String {
    let description: String = document.description.chars().take(DESCRIPTION_LENGTH_MAX).collect();
    let category = document.category.as_deref().map(|path| path.replace(['/', '-'], " "));
    let parts = [Some(document.title.clone()), document.brand.clone(), category, Some(description)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(". ")
}

fn refused(error: &EmbedError) {
    tracing::warn!(error = error_chain::text(error), "a text has no vector");
    metrics::counter!("search_vectors_refused_total").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_the_models_field() {
        let mapping = |kind: &str| json!({"i": {"mappings": {"properties": {"vector_ab": {"type": kind}}}}});
        assert_eq!(Form::of(&mapping("dense_vector"), "vector_ab"), Some(Form::DenseVector));
        assert_eq!(Form::of(&mapping("knn_vector"), "vector_ab"), Some(Form::KnnVector));
        assert_eq!(Form::of(&mapping("dense_vector"), "vector_cd"), None, "of another model");
        assert_eq!(Form::of(&json!({}), "vector_ab"), None);
    }
}
