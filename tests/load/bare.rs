//! The bare handler: actix with one handler, which gives the recorded answers of the shop, byte for byte, and does
//! nothing else. What it reaches is the most that any handler could on this machine at this moment.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// An answer of the shop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// Path and query of its request.
    pub path: String,
    /// Status.
    pub status: u16,
    /// Headers, without those that every server writes itself.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

struct Ready {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Answers by path, for clients that have nothing yet and for those that have the newest version.
#[derive(Default)]
struct Answers {
    new: HashMap<String, Ready>,
    known: HashMap<String, Ready>,
}

/// Serves recorded answers until it is killed. Says on which address it listens.
pub async fn serve(recorded: &Path) -> anyhow::Result<()> {
    let text = std::fs::read(recorded).with_context(|| format!("read {}", recorded.display()))?;
    let answers = web::Data::new(ready(serde_json::from_slice(&text)?)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let server =
        HttpServer::new(move || App::new().app_data(answers.clone()).default_service(web::to(answer)));
    // As the shop has it.
    let server = server.tcp_nodelay(true);
    Ok(server.listen(listener)?.run().await?)
}

async fn answer(request: HttpRequest, answers: web::Data<Answers>) -> HttpResponse {
    let is_known = request.headers().contains_key(header::IF_NONE_MATCH);
    let answers = if is_known { &answers.known } else { &answers.new };
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let Some(ready) = answers.get(path) else {
        return HttpResponse::NotFound().finish();
    };
    let mut answer = HttpResponse::build(ready.status);
    for (name, value) in &ready.headers {
        answer.insert_header((name.clone(), value.clone()));
    }
    if ready.body.is_empty() { answer.finish() } else { answer.body(ready.body.clone()) }
}

fn ready(recorded: Vec<Recorded>) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    for Recorded { path, status, headers, body } in recorded {
        let headers = headers.iter().map(|(name, value)| {
            Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?))
        });
        let status = StatusCode::from_u16(status)?;
        let ready = Ready { status, headers: headers.collect::<anyhow::Result<_>>()?, body: body.into() };
        let kind = if status == StatusCode::NOT_MODIFIED { &mut answers.known } else { &mut answers.new };
        kind.insert(path, ready);
    }
    Ok(answers)
}
