//! The words that a transcript may show: those of the services' own vocabulary, and no others.

use std::collections::HashSet;
use std::sync::LazyLock;

/// In lower case.
const VOCABULARY: &str = "\
a abort accept accepted access acl action activate activated active activity add added admin administered \
                          administrator advanced all allow allowed already an and anonymous any api app \
                          application are as assurance at auth authenticated authentication authorization \
                          authorized automate awaiting bad base be bearer been billing bookmark bookmarks \
                          bulk by bytes c cancel canceled cancelled cannot cause change changed charset \
                          check checksum client clients code collection collections command complete \
                          completed condition configuration conflict connect connected connection consent \
                          consents copy could count create created credential credentials data datetime day \
                          deadline declined delete deleted denied depth dest destination detail details dir \
                          directories directory disabled disconnected disk does domain domains duplicate \
                          effective email end ended endpoint endpoints entity error errors event exceeded \
                          execution exist exists expiration expired external failed failure fatal fault \
                          faults field fields file files filter flow flows folder for forbidden found from \
                          ftp full fulltext g gateway gateways gcp gcs get globus gone grant granted \
                          gridftp group groups gsiftp guest has have high host hosted html http https id \
                          identities identity in inactive include incorrect info inside instance internal \
                          interval into introspect invalid invite invited is it item items iterations job \
                          jobs join json jwk keep key known label leave left level limit limited link list \
                          listing loaded local locked login ls maintenance malformed manage manager \
                          managers manual many mapped mapping marker max maximum md member members \
                          membership memberships message method mfa missing mkd mkdir mlsc mlst mode \
                          modified monitored mtime must my name native network new next no none normal not \
                          notification notify null of off offline ok on once one only openid operation or \
                          org other owned owner page parameter parameters parent password path paths pause \
                          paused pending permission permissions personal plain policies policy posix \
                          preferences principal private profile progress provider providers provision \
                          public pull push query queued quota r rate read recent recently recurring \
                          recursion recursive redirect refresh regular rejected related remove removed \
                          rename renamed request requests require required requirements requires resource \
                          resources response result resume retry retrying revoke rnfr rnto role roles rule \
                          rules rw scheduled scope scopes search seconds secret server servers service \
                          session sha shared sharing size skipped source space specified stalled start \
                          started stat state status stop storage submission submitted subscription \
                          succeeded success successful successfully such symlink symlinks sync system task \
                          tasks temporarily terms text that the this time timed timeout timer timers to \
                          token tokens too transfer transfers try type unable unauthorized unavailable \
                          unicode unknown unpaused unprocessable unsupported unused up update updated \
                          upload urn usage used user userinfo users utf v validate validation value \
                          verified verify version view wait was web well were with within write wrong xml \
                          you your";

static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| VOCABULARY.split_whitespace().collect());

/// Whether a word belongs to the vocabulary, in any case.
pub(super) fn is_known(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    WORDS.contains(lower.as_str())
}

/// Names that are spelled like no others.
const SPECIAL: &[&str] = &["GCDisconnected", "GCP", "GCPaused", "GCSv4", "GCSv5", "GridFTP"];

/// Whether a name is made of known words: `ExternalError.MkdirFailed.Exists`, `access_list`, `SUCCEEDED`.
pub(super) fn is_known_name(name: &str) -> bool {
    let mut parts = name.split(['.', '_', '-', '#', ' ']).filter(|part| !part.is_empty()).peekable();
    let any_letter = name.chars().any(char::is_alphabetic);
    any_letter
        && parts.all(|part| SPECIAL.contains(&part) || camel_words(part).iter().all(|word| is_known(word)))
}

/// `MkdirFailed` is two words, `GCPPaused` is two, `SUCCEEDED` is one. Digits end a word and are left out.
fn camel_words(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let next_is_lower = letters.get(at + 1).is_some_and(|next| next.is_ascii_lowercase());
        let before_is_lower = at > 0 && letters[at - 1].is_ascii_lowercase();
        let begins = letter.is_ascii_uppercase() && (before_is_lower || (next_is_lower && !word.is_empty()));
        if begins || letter.is_ascii_digit() {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if !letter.is_ascii_digit() {
            word.push(*letter);
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_services_are_known_and_those_of_people_are_not() {
        for known in [
            "ExternalError.MkdirFailed.Exists",
            "ClientError.BadRequest.NoTransferItems",
            "EndpointPermissionDenied",
            "GCSv5_guest_collection",
            "result#1.1.0",
            "access_list",
            "SUCCEEDED",
            "permission_denied",
            "all_authenticated_users",
        ] {
            assert!(is_known_name(known), "{known} {:?}", camel_words(known));
        }
        for unknown in ["Lovelace", "ada", "error_lovelace", "2-BM", "", "ErrorLovelace", "ADA_DENIED"] {
            assert!(!is_known_name(unknown), "{unknown}");
        }
    }
}
