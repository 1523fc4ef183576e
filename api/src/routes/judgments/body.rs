//! A body of judgments: JSON, or CSV with a header line.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::judgment_json::{NewJudgment, NewJudgments};
use crate::error_code::ErrorCode;
use crate::json_body;
use crate::problem::Problem;

/// Most judgments of one body; JSON has a limit of its own.
pub const COUNT_MAX: usize = 10_000;
const CSV: &str = "text/csv";

/// The judgments of a request, 1 to [`COUNT_MAX`].
#[derive(Debug)]
pub struct JudgmentsBody(pub Vec<NewJudgment>);

impl FromRequest for JudgmentsBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_csv = request.content_type() == CSV;
        let checked = json_body::check_head(request, &["application/json", CSV]);
        let payload = payload.take();
        Box::pin(async move {
            checked?;
            let body = json_body::arrived(payload).await?;
            let judgments =
                if is_csv { of_csv(&body)? } else { json_body::parse::<NewJudgments>(&body)?.judgments };
            if judgments.is_empty() || judgments.len() > COUNT_MAX {
                let detail = format!("1 to {COUNT_MAX}");
                return Err(Problem::invalid_field("/judgments", "out_of_range", detail));
            }
            Ok(Self(judgments))
        })
    }
}

/// Lines of `query`, `product_id`, `grade` and perhaps `judge`, in any order of the columns.
fn of_csv(body: &[u8]) -> Result<Vec<NewJudgment>, Problem> {
    let malformed = |place: usize, error: &csv::Error| {
        let text = match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            _ => error.to_string(),
        };
        Problem::invalid_field(format!("/judgments/{place}"), "invalid", text)
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let mut judgments = Vec::new();
    for (place, judgment) in reader.deserialize::<NewJudgment>().take(COUNT_MAX + 1).enumerate() {
        judgments.push(judgment.map_err(|error| match error.kind() {
            csv::ErrorKind::Io(_) => Problem::new(ErrorCode::MalformedBody, error.to_string()),
            _ => malformed(place, &error),
        })?);
    }
    Ok(judgments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_be_in_any_order() {
        let read = of_csv(b"grade,query,product_id,judge\n3, red bag ,7,ann\n0,\"a, b\",8,\n");
        let read = read.expect("well-formed");
        assert_eq!(
            (read[0].query.as_str(), read[0].grade, read[0].judge.as_deref()),
            ("red bag", 3, Some("ann"))
        );
        assert_eq!((read[1].query.as_str(), read[1].judge.as_deref()), ("a, b", None));
        let without_judge = of_csv(b"query,product_id,grade\nbag,7,1\n").expect("well-formed");
        assert!(without_judge[0].judge.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, expected) in [
            ("query,product_id\nbag,7\n", "/judgments/0"),
            ("query,product_id,grade\nbag,7,1\nbag,7,many\n", "/judgments/1"),
            ("query,product_id,grade\nbag,7\n", "/judgments/0"),
            ("query,product_id,grade,gain\nbag,7,1,2\n", "/judgments/0"),
        ] {
            let problem = of_csv(text.as_bytes()).expect_err("refused");
            assert!(format!("{problem:?}").contains(expected), "{text}: {problem:?}");
        }
        assert!(of_csv(b"").expect("nothing").is_empty());
    }
}
