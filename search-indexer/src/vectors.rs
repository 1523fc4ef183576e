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

/// What the names of fields that hold vectors begin with.
pub(crate) const FIELD_PREFIX: &str = "vector_";
/// The highest weight: with any boost a score stays below that of a place of its own.
const WEIGHT_MAX: u16 = 100;
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
    /// The field of the index. Its name tells the model: vectors of two models are never compared.
    field: String,
    weight: u16,
    maker: Arc<Maker>,
    turns: Arc<Semaphore>,
    form: tokio::sync::Mutex<Option<(Instant, Option<Form>)>>,
}

struct Maker {
    embedder: Box<dyn TextEmbedder>,
    remembered: Mutex<HashMap<String, Vec<f32>>>,
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

/// What a text means; `None` when vectors are off, the index has none of this model, or there is none in time.
pub(crate) async fn meaning(client: &SearchClient, text: &str) -> Option<Meaning> {
    let vectors = client.vectors()?;
    let made = tokio::time::timeout(SEARCH_DEADLINE, vectors.meaning(client, text)).await;
    made.unwrap_or_else(|_| {
        metrics::counter!("search_vectors_late_total").increment(1);
        None
    })
}

impl Vectors {
    /// Loads the model.
    pub(crate) fn open(settings: &VectorSettings) -> Result<Self, SearchError> {
        if settings.weight > WEIGHT_MAX {
            return Err(SearchError::Malformed(format!("the weight of vectors is at most {WEIGHT_MAX}")));
        }
        let embedder = OnnxEmbedder::open(&settings.model, &settings.sha256)?;
        Ok(Self::new(Box::new(embedder), settings.weight))
    }

    fn new(embedder: Box<dyn TextEmbedder>, weight: u16) -> Self {
        let model: String = embedder.identity().chars().take(8).collect();
        Self {
            field: format!("{FIELD_PREFIX}{model}"),
            weight,
            maker: Arc::new(Maker { embedder, remembered: Mutex::default() }),
            turns: Arc::new(Semaphore::new(TURN_COUNT)),
            form: tokio::sync::Mutex::default(),
        }
    }

    /// The name of the field.
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    /// What tells its answers from those of another model or weight.
    pub(crate) fn ranking(&self) -> String {
        format!("{} {}", self.field, self.weight)
    }

    /// The body that makes an index, with the field.
    pub(crate) fn added_to(&self, mut body: Value, form: Form) -> Value {
        body["mappings"]["properties"][&self.field] = form.mapping(self.maker.embedder.dimension());
        if form == Form::KnnVector {
            body["settings"]["index.knn"] = json!(true);
        }
        body
    }

    /// Makes the vectors of documents that are about to be written, however long it takes.
    pub(crate) async fn prepare(&self, documents: &[ProductDocument]) {
        self.made_of(documents).await;
    }

    /// The vectors of documents, in their order, for the index behind an alias; `None` when it has no field for them.
    pub(crate) async fn of_documents(
        &self,
        client: &SearchClient,
        alias: &str,
        documents: &[ProductDocument],
    ) -> Result<Option<Vec<Option<Vec<f32>>>>, SearchError> {
        match self.form_of(client, alias).await? {
            Some(_) => Ok(Some(self.made_of(documents).await)),
            None => Ok(None),
        }
    }

    /// Whether the index behind an alias has the field.
    pub(crate) async fn is_held(&self, client: &SearchClient, alias: &str) -> Result<bool, SearchError> {
        Ok(self.form_of(client, alias).await?.is_some())
    }

    /// `None` of what is gone, and where the model cannot make one: words find a product without.
    async fn made_of(&self, documents: &[ProductDocument]) -> Vec<Option<Vec<f32>>> {
        let mut vectors = vec![None; documents.len()];
        let present = documents.iter().zip(&mut vectors).filter(|(document, _)| !document.deleted);
        let mut wanted: Vec<_> = present.map(|(document, vector)| (text_of(document), vector)).collect();
        for chunk in wanted.chunks_mut(BATCH_MAX) {
            let texts: Vec<_> = chunk.iter().map(|(text, _)| text.clone()).collect();
            let made = match self.embed(texts.clone()).await {
                Ok(made) => made.into_iter().map(Some).collect(),
                Err(_) => self.one_by_one(texts).await,
            };
            chunk.iter_mut().zip(made).for_each(|((_, vector), made)| **vector = made);
        }
        vectors
    }

    /// One text that the model cannot read does not cost the others theirs.
    async fn one_by_one(&self, texts: Vec<String>) -> Vec<Option<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            vectors.push(match self.embed(vec![text]).await {
                Ok(made) => made.into_iter().next(),
                Err(error) => refused(&error),
            });
        }
        vectors
    }

    async fn meaning(&self, client: &SearchClient, text: &str) -> Option<Meaning> {
        let form = self.form_in_use(client).await?;
        let vector = match self.embed(vec![text.to_owned()]).await {
            Ok(made) => made.into_iter().next()?,
            Err(error) => return refused(&error),
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
        let before = believed.and_then(|(_, form)| form);
        // Nobody asks again at once when this takes too long.
        *believed = Some((Instant::now(), before));
        let form = self.form_of(client, client.alias()).await.unwrap_or(before);
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

    /// The vectors of texts, in their order. Who stops waiting leaves the turn to the computation, and finds what it
    /// has made the next time.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        if let Some(known) = self.maker.known(&texts) {
            return Ok(known);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let maker = Arc::clone(&self.maker);
        let compute = move || {
            let _turn = turn;
            maker.make(texts)
        };
        tokio::task::spawn_blocking(compute).await.unwrap_or_else(|error| Err(EmbedError::Run(error.into())))
    }
}

impl Maker {
    /// The vectors of texts that are all remembered.
    fn known(&self, texts: &[String]) -> Option<Vec<Vec<f32>>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|text| remembered.get(text).cloned()).collect()
    }

    fn make(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors: HashMap<String, Vec<f32>> = {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            let known = |text: &String| Some((text.clone(), remembered.get(text)?.clone()));
            texts.iter().filter_map(known).collect()
        };
        let unknown: Vec<String> =
            texts.iter().filter(|text| !vectors.contains_key(*text)).cloned().collect();
        let made = self.embedder.embed(&unknown.iter().map(String::as_str).collect::<Vec<_>>())?;
        vectors.extend(unknown.into_iter().zip(made));
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + vectors.len() > REMEMBERED_COUNT_MAX {
            remembered.clear();
        }
        remembered.extend(vectors.iter().map(|(text, vector)| (text.clone(), vector.clone())));
        let all: Option<Vec<_>> = texts.iter().map(|text| vectors.get(text).cloned()).collect();
        all.ok_or_else(|| EmbedError::Output("fewer vectors than texts".to_owned()))
    }
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vectors").field("field", &self.field).finish_non_exhaustive()
    }
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
    /// The nearest products among those that the filter leaves; the nearer, the more of the weight each counts.
    pub(crate) fn nearest(&self, filter: &Value) -> Value {
        let Self { form, field, weight, vector } = self;
        match form {
            Form::DenseVector => json!({"knn": {
                "field": field,
                "query_vector": vector,
                "k": NEAREST_COUNT,
                "num_candidates": CANDIDATE_COUNT,
                "filter": filter,
                "boost": weight,
            }}),
            Form::KnnVector => json!({"knn": {field: {
                "vector": vector,
                "k": NEAREST_COUNT,
                "filter": filter,
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

fn refused<T>(error: &EmbedError) -> Option<T> {
    tracing::warn!(error = error_chain::text(error), "a text has no vector");
    metrics::counter!("search_vectors_refused_total").increment(1);
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::ids::ProductId;
    use jiff::Timestamp;

    use super::*;

    /// Cannot read a text with `odd` in it.
    #[derive(Default)]
    struct Letters {
        read: Arc<AtomicUsize>,
    }

    impl TextEmbedder for Letters {
        fn dimension(&self) -> usize {
            1
        }

        fn identity(&self) -> &str {
            "0123456789"
        }

        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            if texts.iter().any(|text| text.contains("odd")) {
                return Err(EmbedError::Output("odd".to_owned()));
            }
            self.read.fetch_add(texts.len(), Ordering::SeqCst);
            Ok(texts.iter().map(|text| text.bytes().map(f32::from).take(1).collect()).collect())
        }
    }

    fn document(title: &str, number: u8) -> ProductDocument {
        let id = ProductId::new(Timestamp::UNIX_EPOCH, [number; 10]);
        let gone = ProductDocument::gone(id, Timestamp::UNIX_EPOCH);
        ProductDocument { title: title.to_owned(), deleted: title.is_empty(), ..gone }
    }

    #[tokio::test]
    async fn a_text_is_read_once_and_an_odd_one_costs_no_other() {
        let embedder = Letters::default();
        let read = Arc::clone(&embedder.read);
        let vectors = Vectors::new(Box::new(embedder), 10);
        assert_eq!(vectors.field(), "vector_01234567");
        let documents = [
            document("apple", 1),
            document("odd", 2),
            document("", 3),
            document("bag", 4),
            document("apple", 5),
        ];
        let expected = [Some(vec![97.0]), None, None, Some(vec![98.0]), Some(vec![97.0])];
        for _ in 0..2 {
            assert_eq!(vectors.made_of(&documents).await, expected);
        }
        assert_eq!(read.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn the_form_is_that_of_the_models_field() {
        let mapping = |kind: &str| json!({"i": {"mappings": {"properties": {"vector_ab": {"type": kind}}}}});
        assert_eq!(Form::of(&mapping("dense_vector"), "vector_ab"), Some(Form::DenseVector));
        assert_eq!(Form::of(&mapping("knn_vector"), "vector_ab"), Some(Form::KnnVector));
        assert_eq!(Form::of(&mapping("dense_vector"), "vector_cd"), None, "of another model");
        assert_eq!(Form::of(&json!({}), "vector_ab"), None);
    }
}
