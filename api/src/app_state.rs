//! What every handler may use: the stores, the caches, the index, tokens and the cursor key.

use std::sync::atomic::AtomicBool;

use cache::product_cache::ProductCache;
use cache::report_cache::ReportCache;
use cache::search_cache::SearchCache;
use domain::event::Cause;
use domain::webhook::url_policy::UrlPolicy;
use search_indexer::client::SearchClient;
use secrecy::ExposeSecret;
use store::mongo::connection::Mongo;
use store::objects::Objects;
use store::pg::pool::PgPools;
use store::settings::AmqpSettings;
use tokio::sync::Semaphore;

use crate::behaviour_publisher::BehaviourPublisher;
use crate::caller::{Caller, Tokens};
use crate::cursor::CursorKey;
use crate::known_completions::KnownCompletionsCell;
use crate::live_tuning::LiveTuningCell;
use crate::page_answer::Pages;
use crate::rate_limit::RateLimits;
use crate::request_id;
use crate::routes::health::ready::LastProbe;
use crate::running_experiment::RunningExperimentCell;
use crate::settings::Settings;
use crate::start_error::StartError;

/// Reports that are read at the same time.
const REPORTS_AT_ONCE: usize = 4;

/// The state of the API. Made without asking any server, so that the API starts when one is down.
#[derive(Debug)]
pub struct AppState {
    /// PostgreSQL, write and read.
    pub pools: PgPools,
    /// MongoDB.
    pub mongo: Mongo,
    /// RabbitMQ, for a connection when one is needed.
    pub amqp: AmqpSettings,
    /// Where behaviour events go.
    pub behaviour: BehaviourPublisher,
    /// Pictures; `None` when the settings have no folder for them.
    pub objects: Option<Objects>,
    /// Products.
    pub products: ProductCache,
    /// Whole pages of lists and searches.
    pub pages: Pages,
    /// Search results.
    pub searches: SearchCache,
    /// The search engine.
    pub search: SearchClient,
    /// What merchandisers have put live.
    pub tuning: LiveTuningCell,
    /// What is tried beside it.
    pub experiment: RunningExperimentCell,
    /// Whose turn it is to ask the judged queries: the engine is also that of the shop.
    pub evaluations: Semaphore,
    /// What is about to be typed.
    pub completions: KnownCompletionsCell,
    /// Answers of reports.
    pub reports: ReportCache,
    /// Whose turn it is to read a report that no answer is kept of: shoppers need connections too.
    pub report_turns: Semaphore,
    /// Where webhooks may be sent.
    pub webhooks: UrlPolicy,
    /// Who is known.
    pub tokens: Tokens,
    /// How many requests a caller may send.
    pub rate_limits: RateLimits,
    /// Signs cursors.
    pub cursors: CursorKey,
    /// How the dependencies were a moment ago.
    pub last_probe: LastProbe,
    /// Whether the API is about to stop.
    pub is_stopping: AtomicBool,
}

impl AppState {
    /// The state for those settings.
    pub async fn new(settings: &Settings) -> Result<Self, StartError> {
        let tokens = match &settings.development_tokens {
            Some(_) if settings.environment == "production" => return Err(StartError::DevelopmentTokens),
            Some(tokens) => Tokens::development(tokens),
            None => Tokens::default(),
        };
        let objects = match &settings.objects {
            Some(settings) => Some(Objects::open(settings).await?),
            None => None,
        };
        Ok(Self {
            objects,
            amqp: settings.amqp.clone(),
            behaviour: BehaviourPublisher::new(settings.amqp.clone()),
            pools: PgPools::new(&settings.postgres)?,
            mongo: Mongo::connect(&settings.mongo).await?,
            products: ProductCache::new(&settings.cache, &settings.memcached)?,
            pages: Pages::default(),
            searches: SearchCache::new(&settings.cache, &settings.redis)?,
            search: SearchClient::new(&settings.search)?,
            tuning: LiveTuningCell::default(),
            experiment: RunningExperimentCell::default(),
            evaluations: Semaphore::new(1),
            completions: KnownCompletionsCell::default(),
            reports: ReportCache::default(),
            report_turns: Semaphore::new(REPORTS_AT_ONCE),
            webhooks: settings.webhooks.clone(),
            tokens,
            rate_limits: RateLimits::new(&settings.api.rate_limit)?,
            cursors: CursorKey::from_hex(settings.api.cursor_key.expose_secret())?,
            last_probe: LastProbe::default(),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// Whether changes of products are heard: the product cache is told so, and nobody else.
    pub fn hears_changes(&self) -> bool {
        !self.products.is_bypassed()
    }
}

/// What an event tells of the request that caused it.
pub fn cause(caller: &Caller) -> Cause {
    Cause {
        actor: caller.actor(),
        request_id: request_id::current(),
        traceparent: process::trace::current_traceparent(),
    }
}
