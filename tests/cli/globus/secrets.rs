use super::*;
use globus_simulator::Fault;

/// Every verb with the log at its fullest, while tokens are renewed and requests fail: no token, code or
/// secret is in what they print.
#[test]
fn no_token_is_ever_printed() {
    let site = Site::new();
    let mut printed = vec![];
    let mut secrets = vec![];
    let code = std::cell::RefCell::new(vec![]);
    let mut login = program(site.folder.path());
    login.args(["login", "--log-level", "trace"]);
    let (ended, _) = site.answer(login, |link| {
        let fresh = site.globus.sign_in(link, ADA).unwrap();
        code.borrow_mut().push(fresh.clone());
        fresh
    });
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("oauth2/token"), "the log is on: {}", ended.err);
    printed.push(ended);
    secrets.extend(code.into_inner());
    let (mapped, nobody) = (MAPPED.to_string(), Uuid::from_u128(99).to_string());
    let verbs: &[&[&str]] = &[
        &["whoami"],
        &["whoami", "--json"],
        &["endpoint", "search", "data"],
        &["endpoint", "show", "--json"],
        &["endpoint", "ls"],
        &["endpoint", "ls", "/", "--collection", &mapped],
        &["endpoint", "mkdir", "/new"],
        &["permission", "create", BOB, "/new"],
        &["permission", "list"],
        &["permission", "delete", BOB, "/new"],
        &["task", "list"],
        &["task", "show", &nobody],
        &["check"],
    ];
    for verb in verbs {
        secrets.extend(site.tokens());
        // Renewed by this very verb.
        site.globus.expire_tokens();
        let ended = site.act(&[verb, &["--log-level", "trace"][..]].concat());
        assert!(ended.err.len() > 200, "{verb:?}: the log is on: {}", ended.err);
        printed.push(ended);
    }
    site.globus.fault(Fault::answer("token", 401).always());
    site.globus.expire_tokens();
    printed.push(site.act(&["endpoint", "ls", "--log-level", "trace"]));
    site.globus.clear_faults();
    secrets.extend(site.tokens());
    printed.push(site.act(&["logout", "--log-level", "trace"]));

    site.sign_in_as_service();
    for secret in ["a-wrong-secret", SECRET] {
        secrets.push(secret.to_owned());
        printed.push(site.act_with_input(&["login", "--service", "--log-level", "trace"], secret));
    }
    printed.push(site.act(&["whoami", "--log-level", "trace"]));

    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() > 10, "tokens were renewed: {}", secrets.len());
    for Ended { out, err, .. } in &printed {
        for secret in &secrets {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret} is in:\n{out}\n{err}");
        }
        assert!(!err.to_lowercase().contains("bearer "), "{err}");
    }
}
