//! Client tokens: a request that is repeated with its token gets the first one's answer, and nothing happens twice.

use std::collections::{BTreeMap, VecDeque};

use model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal::Refusal;

/// How long a token is remembered, in seconds: a day, as EC2 has it at least.
const LIFETIME: u64 = 86_400;
/// Longest token, in characters.
const LONGEST: usize = 64;

/// Whose token it is: one account, region and operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Twelve digits.
    pub account: String,
    /// The region's code.
    pub region: String,
    /// The operation's name.
    pub operation: String,
    /// What the client chose.
    pub token: String,
}

/// The answers to requests with tokens; the oldest go first.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokens {
    most: usize,
    answers: BTreeMap<Key, Answer>,
    /// Keys by age. A key stands here once, because an answer is kept only where none was.
    ages: VecDeque<Key>,
}

#[derive(Debug, Clone, PartialEq)]
struct Answer {
    parameters: Value,
    answer: Value,
    at: Timestamp,
}

impl Tokens {
    /// A store for so many answers.
    pub fn new(most: usize) -> Self {
        Self { most, answers: BTreeMap::new(), ages: VecDeque::new() }
    }

    /// The answer that a token already has. Errors: `InvalidParameterValue` for a token of more than 64 characters or
    /// outside ASCII, `IdempotentParameterMismatch` when the first request had other parameters.
    pub fn find(&self, key: &Key, parameters: &Value, now: Timestamp) -> Result<Option<&Value>, Refusal> {
        if key.token.len() > LONGEST || !key.token.is_ascii() {
            let message = "Value for parameter ClientToken is invalid. At most 64 ASCII characters are allowed.";
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        match self.answers.get(key).filter(|answer| now < answer.at.plus(LIFETIME)) {
            None => Ok(None),
            Some(found) if found.parameters == *parameters => Ok(Some(&found.answer)),
            Some(_) => Err(Refusal::new(
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request. Do not reuse a client \
                 token with different requests.",
            )),
        }
    }

    /// Keeps the answer of a request that had no answer yet.
    pub fn keep(&mut self, key: Key, parameters: Value, answer: Value, now: Timestamp) {
        let is_old = |answers: &BTreeMap<Key, Answer>, key: &Key| {
            answers.get(key).is_none_or(|answer| now >= answer.at.plus(LIFETIME))
        };
        while let Some(oldest) = self.ages.front() {
            if self.ages.len() < self.most && !is_old(&self.answers, oldest) {
                break;
            }
            self.answers.remove(oldest);
            self.ages.pop_front();
        }
        if self.answers.insert(key.clone(), Answer { parameters, answer, at: now }).is_none() {
            self.ages.push_back(key);
        }
    }

    /// Forgets a token: what it was for did not happen after all.
    pub fn forget(&mut self, key: &Key) {
        if self.answers.remove(key).is_some() {
            self.ages.retain(|known| known != key);
        }
    }

    /// All that is kept, the oldest first: key, parameters, answer, and since when.
    pub fn kept(&self) -> impl Iterator<Item = (&Key, &Value, &Value, Timestamp)> {
        let answers = self.ages.iter().filter_map(|key| Some((key, self.answers.get(key)?)));
        answers.map(|(key, answer)| (key, &answer.parameters, &answer.answer, answer.at))
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether no answer is kept.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(token: &str) -> Key {
        let [account, region, operation] = ["111122223333", "eu-west-1", "RunInstances"].map(str::to_owned);
        Key { account, region, operation, token: token.to_owned() }
    }

    #[test]
    fn a_repeated_request_gets_the_first_answer_for_a_day() {
        let mut tokens = Tokens::new(10);
        let (asked, answer) = (json!({"MinCount": 1}), json!({"ReservationId": "r-1"}));
        assert_eq!(tokens.find(&key("a"), &asked, Timestamp(0)), Ok(None));
        tokens.keep(key("a"), asked.clone(), answer.clone(), Timestamp(0));
        assert_eq!(tokens.find(&key("a"), &asked, Timestamp(86_399)), Ok(Some(&answer)));
        assert_eq!(tokens.find(&key("a"), &asked, Timestamp(86_400)), Ok(None));
        let elsewhere = Key { region: "us-east-1".to_owned(), ..key("a") };
        assert_eq!(tokens.find(&elsewhere, &asked, Timestamp(0)), Ok(None));
        let mismatch = tokens.find(&key("a"), &json!({"MinCount": 2}), Timestamp(1)).unwrap_err();
        assert_eq!(mismatch.code, "IdempotentParameterMismatch");
        assert_eq!(tokens.find(&key(&"a".repeat(65)), &asked, Timestamp(1)).unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn the_store_is_bounded_and_forgets_the_oldest() {
        let mut tokens = Tokens::new(3);
        for number in 0..5 {
            tokens.keep(key(&number.to_string()), json!({}), json!(number), Timestamp(number));
        }
        assert_eq!(tokens.len(), 3);
        assert_eq!(tokens.find(&key("1"), &json!({}), Timestamp(5)), Ok(None));
        assert_eq!(tokens.find(&key("4"), &json!({}), Timestamp(5)), Ok(Some(&json!(4))));
        tokens.keep(key("9"), json!({}), json!(9), Timestamp(200_000));
        assert_eq!(tokens.len(), 1, "a day later the others are gone");
    }

    #[test]
    fn what_is_kept_can_be_taken_elsewhere_and_forgotten() {
        let mut tokens = Tokens::new(3);
        (0..3).for_each(|number| tokens.keep(key(&number.to_string()), json!({}), json!(number), Timestamp(number)));
        tokens.forget(&key("1"));
        let mut again = Tokens::new(3);
        tokens.kept().for_each(|(key, parameters, answer, at)| again.keep(key.clone(), parameters.clone(), answer.clone(), at));
        assert_eq!((again.len(), &again), (2, &tokens));
        assert_eq!(again.find(&key("1"), &json!({}), Timestamp(3)), Ok(None));
    }
}
