//! Long answers to those who look, for as long as they are true: until the cloud is another one, or the second is over. Whoever waits for
//! something asks the same again and again, and a thousand instances take longer to write down than to send.

use std::sync::{Arc, Mutex, PoisonError};

use model::Timestamp;
use query::Response;

use crate::api::LabView;

/// Shorter ones are made anew as fast, bytes.
const SHORTEST: usize = 16 << 10;
/// Answers at most.
const MOST: usize = 16;
/// All together, bytes.
const MOST_BYTES: usize = 64 << 20;

/// What was asked, of what.
#[derive(Debug, Clone)]
pub struct Question<'q> {
    /// The lab as it was.
    pub seen: Arc<LabView>,
    /// When.
    pub at: Timestamp,
    /// The region's code.
    pub region: &'q str,
    /// As it stood in the request.
    pub query: &'q str,
    /// The form.
    pub body: &'q [u8],
}

#[derive(Debug)]
struct Told {
    seen: Arc<LabView>,
    at: Timestamp,
    region: String,
    query: String,
    body: Vec<u8>,
    response: Arc<Response>,
}

impl Told {
    fn is_of(&self, question: &Question<'_>) -> bool {
        let is_true = Arc::ptr_eq(&self.seen, &question.seen) && self.at == question.at;
        is_true && self.region == question.region && self.query == question.query && self.body == question.body
    }
}

/// Answers that were given, the oldest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Vec<Told>>);

impl Recent {
    /// The answer to the same question.
    pub fn find(&self, question: &Question<'_>) -> Option<Arc<Response>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|told| told.is_of(question)).map(|told| told.response.clone())
    }

    /// Keeps an answer, if it is long; those that are true no more go, and the oldest where there are too many.
    pub fn keep(&self, question: Question<'_>, response: &Arc<Response>) {
        if response.status != 200 || response.body.len() < SHORTEST || response.body.len() > MOST_BYTES / 4 {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|told| told.at == question.at && (told.seen.name != question.seen.name || Arc::ptr_eq(&told.seen, &question.seen)));
        let Question { seen, at, region, query, body } = question;
        let (region, query, body) = (region.to_owned(), query.to_owned(), body.to_vec());
        all.push(Told { seen, at, region, query, body, response: response.clone() });
        let bytes = |all: &[Told]| all.iter().map(|told| told.response.body.len()).sum::<usize>();
        while all.len() > MOST || bytes(&all) > MOST_BYTES {
            all.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Context, Model, Region};

    use super::*;

    fn lab() -> Arc<LabView> {
        let model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        let (created, claims, rights) = (Timestamp(0), Vec::new(), Vec::new());
        Arc::new(LabView { name: "shop".to_owned(), is_up: true, file: None, created, model, claims, part_of: None, rights, refused: None })
    }

    fn response(length: usize) -> Arc<Response> {
        Arc::new(Response { status: 200, headers: Vec::new(), body: "x".repeat(length), operation: None, code: None })
    }

    #[test]
    fn an_answer_is_given_again_as_long_as_nothing_else_is_true() {
        let (recent, seen) = (Recent::default(), lab());
        let question = Question { seen: seen.clone(), at: Timestamp(5), region: "r", query: "", body: b"Action=DescribeInstances" };
        assert!(recent.find(&question).is_none());
        recent.keep(question.clone(), &response(SHORTEST));
        assert!(recent.find(&question).is_some());
        for other in [
            Question { seen: lab(), ..question.clone() },
            Question { at: Timestamp(6), ..question.clone() },
            Question { region: "s", ..question.clone() },
            Question { body: b"Action=DescribeVpcs", ..question.clone() },
        ] {
            assert!(recent.find(&other).is_none(), "{other:?}");
        }
        recent.keep(Question { at: Timestamp(6), ..question.clone() }, &response(SHORTEST));
        assert!(recent.find(&question).is_none(), "what is over is forgotten");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (recent, seen) = (Recent::default(), lab());
        let bodies: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number]).collect();
        let question = |body| Question { seen: seen.clone(), at: Timestamp(5), region: "r", query: "", body };
        bodies.iter().for_each(|body| recent.keep(question(body), &response(8 << 20)));
        let kept = bodies.iter().filter(|body| recent.find(&question(body)).is_some()).count();
        assert_eq!(kept, 8);
        recent.keep(question(b"short"), &response(100));
        assert!(recent.find(&question(b"short")).is_none());
    }
}
