use super::*;

#[test]
fn a_person_signs_in_is_shown_and_signs_out_for_good() {
    let site = Site::new();
    let (ended, links) = site.login(ADA, &[]);
    assert_eq!((ended.code, links), (0, 1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("Signed in as ada@example.org"), "{}", ended.out);
    assert_eq!((mode(&site.store()), mode(&site.path("tokens"))), (0o600, 0o700));
    assert!(ended.out.contains("code_challenge="), "with PKCE: {}", ended.out);

    let me = site.json(&["whoami"]);
    assert_eq!((me["sign_in"].as_str(), me["username"].as_str()), (Some("token_store"), Some(ADA)), "{me:#}");
    assert_eq!(me["id"], site.globus.identity(ADA).unwrap().to_string());
    let linked: Vec<_> =
        me["identities"].as_array().unwrap().iter().map(|one| one["username"].as_str()).collect();
    assert!(linked.contains(&Some(ADA_AT_HOME)), "{me:#}");
    let transfer =
        me["tokens"].as_array().unwrap().iter().find(|token| token["service"] == "transfer.api.globus.org");
    let transfer = transfer.unwrap();
    assert_eq!(transfer["scopes"][0], "urn:globus:auth:scope:transfer.api.globus.org:all");
    assert_eq!(transfer["renews"], true);
    assert!(
        transfer["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() > jiff::Timestamp::now()
    );
    let table = site.act(&["whoami"]);
    for told in ["ada@example.org", "Ada Lovelace", "Ada King", "then renewed", "view_identities"] {
        assert!(table.out.contains(told), "{told}: {}", table.out);
    }

    let kept = std::fs::read_to_string(site.store()).unwrap();
    let ended = site.act(&["logout"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "Signed out\n"), "{}", ended.err);
    assert!(!std::fs::read_to_string(site.store()).unwrap().contains("access_token"), "nothing is kept");
    assert_eq!(site.act(&["logout"]).code, 4, "nobody is signed in any more");
    let ended = site.act(&["whoami"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    let command = format!("run: beamshare --config {} login", site.path("beamshare.toml").display());
    assert!(ended.err.contains(&command), "{}", ended.err);

    // Whoever copied the file before has nothing of it.
    write_private(&site.store(), &kept);
    let ended = site.act(&["whoami"]);
    assert_eq!(ended.code, 1, "the tokens still work: {}", ended.out);
    assert!(ended.err.contains(&command), "{}", ended.err);
}

#[test]
fn the_browser_on_this_machine_finishes_the_login() {
    let site = Site::new();
    let mut command = login(&site);
    command.args([
        "--local-server",
        "--session-identity",
        ADA,
        "--session-domain",
        "example.org",
        "--session-mfa",
    ]);
    let (ended, links) = site.answer(command, |link| {
        let page: url::Url = link.parse().unwrap();
        let field = |name: &str| page.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(field("session_required_identities"), ADA);
        assert_eq!(
            (field("session_required_single_domain"), field("session_required_mfa")),
            ("example.org".into(), "True".into())
        );
        let code = site.globus.sign_in(link, ADA).unwrap();
        // The browser returns to the program.
        let home: url::Url = field("redirect_uri").parse().unwrap();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", home.port().unwrap())).unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("code", code.as_str()), ("state", field("state").as_str())])
            .finish();
        write!(stream, "GET /?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        String::new()
    });
    assert_eq!((ended.code, links), (0, 1), "{}{}", ended.out, ended.err);
    assert_eq!(site.json(&["whoami"])["username"], ADA);
}

#[test]
fn a_wrong_code_signs_nobody_in() {
    let site = Site::new();
    let (ended, _) = site.answer(login(&site), |_| "nonsense".to_owned());
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("start again and paste the new code"), "{}", ended.err);

    // A code of another login: PKCE ties it to the process that printed the link.
    let (ended, _) = site.answer(login(&site), |link| {
        let stolen = std::cell::RefCell::new(String::new());
        let (other, _) = site.answer(login(&site), |others| {
            *stolen.borrow_mut() = site.globus.sign_in(others, ADA).unwrap();
            site.globus.sign_in(link, BOB).unwrap()
        });
        assert_eq!(other.code, 1, "Bob's code for Ada's login: {}", other.out);
        stolen.into_inner()
    });
    assert_eq!(ended.code, 1, "{}", ended.out);

    let ended = site.act_with_input(&["login"], "");
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("no code was given"), "{}", ended.err);
    assert!(
        !site.store().exists() || !std::fs::read_to_string(site.store()).unwrap().contains("access_token")
    );
}

fn login(site: &Site) -> Command {
    let mut command = program(site.folder.path());
    command.arg("login");
    command
}

#[test]
fn the_sign_in_of_another_account_is_revoked_and_a_failed_one_changes_nothing() {
    let site = Site::new().signed_in();
    let kept = std::fs::read_to_string(site.store()).unwrap();
    let (ended, _) = site.answer(login(&site), |_| "nonsense".to_owned());
    assert_eq!(ended.code, 1);
    assert_eq!(std::fs::read_to_string(site.store()).unwrap(), kept);
    assert_eq!(site.json(&["whoami"])["username"], ADA);

    let (ended, _) = site.login(BOB, &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(site.json(&["whoami"])["username"], BOB);
    write_private(&site.store(), &kept);
    assert_eq!(site.act(&["whoami"]).code, 1, "Ada's tokens still work");
}

#[test]
fn a_store_that_others_can_read_is_refused_before_anybody_opens_a_page() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new().signed_in();
    std::fs::set_permissions(site.store(), PermissionsExt::from_mode(0o644)).unwrap();
    for verb in ["login", "whoami", "logout"] {
        let ended = site.act_with_input(&[verb], "");
        assert_eq!(ended.code, 1, "{verb}");
        assert!(
            ended.err.contains("chmod 600") && !ended.out.contains("http"),
            "{verb}: {}{}",
            ended.out,
            ended.err
        );
    }
}

#[test]
fn a_missing_consent_is_told_with_the_command_that_gives_it() {
    let site = Site::new().signed_in();
    std::fs::write(site.path("mapped/scan.h5"), "x").unwrap();
    let mapped = MAPPED.to_string();
    let ls = ["endpoint", "ls", "/", "--collection", &mapped];
    let refused = site.act(&ls);
    assert_eq!(refused.code, 1, "{}", refused.out);
    let command = refused.err.split("running: ").nth(1).expect(&refused.err).trim();
    assert!(command.contains(&format!("{mapped}/data_access")), "{command}");

    // As a person runs it: pasted into a shell, in whatever folder.
    let mut shell = Command::new("sh");
    let folder = Path::new(env!("CARGO_BIN_EXE_beamshare")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    shell.args(["-c", command]).env("PATH", path).current_dir("/");
    let (ended, _) = site.answer(shell, |link| site.globus.sign_in(link, ADA).unwrap());
    assert_eq!(ended.code, 0, "{command}: {}{}", ended.out, ended.err);
    let listed = site.act(&ls);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains("scan.h5"), "{}", listed.out);
}

#[test]
fn the_consent_of_a_mapped_collection_is_asked_for_at_once() {
    let site = Site::new();
    site.configure(
        MAPPED,
        &format!("token_store = {{ client_id = \"{NATIVE_APP}\", file = \"tokens/store.json\" }}"),
    );
    let (ended, links) = site.login(ADA, &[]);
    assert_eq!((ended.code, links), (0, 2), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("asks for your consent"), "{}", ended.out);
    let listed = site.act(&["endpoint", "ls", "/"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    // Who has consented is not asked again.
    let (ended, links) = site.login(ADA, &[]);
    assert_eq!((ended.code, links), (0, 1), "{}{}", ended.out, ended.err);
}

#[test]
fn what_can_not_be_revoked_is_kept_unless_it_shall_be_forgotten() {
    let site = Site::new().signed_in();
    site.globus.fault(globus_simulator::Fault::answer("token_revoke", 503).always());
    let ended = site.act(&["logout"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("still signed in") && ended.err.contains("--forget"), "{}", ended.err);
    assert_eq!(site.json(&["whoami"])["username"], ADA);
    let ended = site.act(&["logout", "--forget"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("still valid"), "{}", ended.err);
    assert_eq!(site.act(&["whoami"]).code, 1);
}

#[test]
fn which_login_the_settings_want_is_told() {
    let site = Site::new();
    let ended = site.act_with_input(&["login", "--service"], "x\n");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("[globus.sign_in.token_store]"), "{}", ended.err);
    assert_eq!(site.act(&["login", "--scope", "a[b"]).code, 2);

    site.configure(GUEST, "access_token_file = { file = \"globus.token\" }");
    write_private(&site.path("globus.token"), "no token at all");
    for verb in ["login", "logout"] {
        let ended = site.act(&[verb]);
        assert_eq!(ended.code, 2, "{verb}");
        assert!(ended.err.contains("globus.token"), "{}", ended.err);
    }
    let ended = site.act(&["whoami"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("put a valid token into") && !ended.err.contains("no token at all"),
        "{}",
        ended.err
    );

    std::fs::write(site.path("beamshare.toml"), super::super::settings("x:")).unwrap();
    for verb in [&["login"][..], &["logout"], &["whoami"], &["endpoint", "show"], &["task", "list"]] {
        let ended = site.act(verb);
        assert_eq!(ended.code, 2, "{verb:?}");
        assert!(ended.err.contains("no [globus]"), "{}", ended.err);
    }
}
