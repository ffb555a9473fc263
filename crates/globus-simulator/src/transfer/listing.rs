//! Filtering and ordering of directory listings: `filter=name:~*.h5/type:file`, `orderby=type,name DESC`.

use std::cmp::Ordering;

use serde_json::Value;

use crate::reply::TransferError;

/// Conditions that must all hold.
#[derive(Debug, Default)]
pub(crate) struct Filter(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    field: String,
    /// One of these is enough.
    any: Vec<Test>,
}

#[derive(Debug)]
enum Test {
    Is(String),
    IsNot(String),
    Like(String),
    NotLike(String),
    Less(String),
    LessOrEqual(String),
    Greater(String),
    GreaterOrEqual(String),
}

fn test(text: &str) -> Test {
    type Make = fn(String) -> Test;
    // The longer mark first: `>=` before `>`.
    let marks: [(&str, Make); 8] = [
        ("!~", Test::NotLike),
        ("<=", Test::LessOrEqual),
        (">=", Test::GreaterOrEqual),
        ("~", Test::Like),
        ("!", Test::IsNot),
        ("=", Test::Is),
        ("<", Test::Less),
        (">", Test::Greater),
    ];
    marks
        .into_iter()
        .find_map(|(mark, make)| text.strip_prefix(mark).map(|rest| make(rest.to_owned())))
        .unwrap_or_else(|| Test::Is(text.to_owned()))
}

impl Filter {
    /// Reads one filter; several in one query must all hold, so their conditions add up.
    pub fn add(&mut self, text: &str) -> Result<(), TransferError> {
        for part in text.split('/').filter(|part| !part.is_empty()) {
            let (field, tests) = part.split_once(':').ok_or_else(|| {
                TransferError::bad_request(format!("Invalid filter '{part}': no ':' in it"))
            })?;
            if !FIELDS.contains(&field) {
                return Err(TransferError::bad_request(format!(
                    "Invalid filter: there is no field '{field}'"
                )));
            }
            // Of a time, two values are the ends of a range, each of which may be open.
            if let ("last_modified", Some((from, to))) = (field, tests.split_once(',')) {
                for (end, make) in [(from, Test::GreaterOrEqual as fn(String) -> Test), (to, Test::Less)] {
                    if !end.is_empty() {
                        self.0.push(Condition { field: field.to_owned(), any: vec![make(end.to_owned())] });
                    }
                }
                continue;
            }
            self.0.push(Condition { field: field.to_owned(), any: tests.split(',').map(test).collect() });
        }
        Ok(())
    }

    pub fn passes(&self, file: &Value) -> bool {
        self.0.iter().all(|condition| {
            let value = &file[&condition.field];
            // A list of exclusions means none of them; a list of choices means any of them.
            let (exclusions, choices): (Vec<_>, Vec<_>) =
                condition.any.iter().partition(|test| matches!(test, Test::IsNot(_) | Test::NotLike(_)));
            exclusions.iter().all(|test| holds(test, value))
                && (choices.is_empty() || choices.iter().any(|test| holds(test, value)))
        })
    }
}

const FIELDS: [&str; 7] = ["name", "type", "size", "last_modified", "permissions", "user", "group"];

fn holds(test: &Test, value: &Value) -> bool {
    let plain = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    match test {
        Test::Is(wanted) => compare(value, wanted) == Ordering::Equal,
        Test::IsNot(wanted) => compare(value, wanted) != Ordering::Equal,
        Test::Like(pattern) => wildcard(pattern, &plain),
        Test::NotLike(pattern) => !wildcard(pattern, &plain),
        Test::Less(wanted) => compare(value, wanted) == Ordering::Less,
        Test::LessOrEqual(wanted) => compare(value, wanted) != Ordering::Greater,
        Test::Greater(wanted) => compare(value, wanted) == Ordering::Greater,
        Test::GreaterOrEqual(wanted) => compare(value, wanted) != Ordering::Less,
    }
}

/// Numbers as numbers; all else as text (times of one form order as text).
fn compare(value: &Value, wanted: &str) -> Ordering {
    match (value.as_u64(), wanted.parse::<u64>()) {
        (Some(a), Ok(b)) => a.cmp(&b),
        _ => {
            let plain = value.as_str().unwrap_or_default();
            let wanted = wanted.replace('T', " ");
            // A date alone is compared with as much of the time as it has.
            let cut = plain.get(..wanted.len()).unwrap_or(plain);
            if plain.len() > wanted.len() && wanted.len() >= 10 && wanted.as_bytes()[4] == b'-' {
                cut.cmp(&wanted)
            } else {
                plain.cmp(&wanted)
            }
        }
    }
}

/// `*` for any text, `?` for one letter, without regard to capitals, as the service matches names.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

/// Orders documents by `orderby`; by type (directories first) and name without it.
pub(crate) fn order(files: &mut [Value], orderby: Option<&str>) -> Result<(), TransferError> {
    let mut keys: Vec<(String, bool)> = Vec::new();
    for part in orderby.unwrap_or("type,name").split(',') {
        let mut words = part.split_whitespace();
        let field = words.next().unwrap_or_default();
        let descending = match words.next() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(word) => {
                return Err(TransferError::bad_request(format!(
                    "Invalid orderby: '{word}' is neither ASC nor DESC"
                )));
            }
        };
        if !FIELDS.contains(&field) {
            return Err(TransferError::bad_request(format!("Invalid orderby: there is no field '{field}'")));
        }
        keys.push((field.to_owned(), descending));
    }
    files.sort_by(|a, b| {
        keys.iter()
            .map(|(field, descending)| {
                let (x, y) = (&a[field], &b[field]);
                let ordering = match (x.as_u64(), y.as_u64()) {
                    (Some(x), Some(y)) => x.cmp(&y),
                    _ => x.as_str().cmp(&y.as_str()),
                };
                if *descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_as_the_service_reads_them() {
        let file = json!({"name": "Scan_01.h5", "type": "file", "size": 700, "last_modified": "2026-03-04 05:06:07+00:00"});
        for (filter, expected) in [
            ("name:Scan_01.h5", true),
            ("name:~scan*.H5", true),
            ("name:!~*.h5", false),
            ("type:dir,file", true),
            ("type:!dir,!file", false),
            ("size:>500/type:file", true),
            ("size:>500/type:dir", false),
            ("size:<=700", true),
            ("last_modified:>=2026-03-04", true),
            ("last_modified:<2026-03-04", false),
            ("last_modified:2026-03-01,2026-04-01", true),
            ("last_modified:,2026-03-01", false),
        ] {
            let mut parsed = Filter::default();
            parsed.add(filter).unwrap();
            assert_eq!(parsed.passes(&file), expected, "{filter}");
        }
        assert!(Filter::default().add("color:red").is_err());
    }

    #[test]
    fn orders() {
        let mut files = vec![
            json!({"name": "b", "type": "file", "size": 1}),
            json!({"name": "a", "type": "file", "size": 20}),
            json!({"name": "z", "type": "dir", "size": 4096}),
        ];
        order(&mut files, None).unwrap();
        let names = |files: &[Value]| {
            files.iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect::<String>()
        };
        assert_eq!(names(&files), "zab");
        order(&mut files, Some("size DESC")).unwrap();
        assert_eq!(names(&files), "zab");
        order(&mut files, Some("name desc,type")).unwrap();
        assert_eq!(names(&files), "zba");
        assert!(order(&mut files, Some("color")).is_err());
    }
}
